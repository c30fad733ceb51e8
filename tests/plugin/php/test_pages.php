<?php
require __DIR__ . '/bootstrap.php';

use Dispo\Facts;
use Dispo\Storefront;
use Dispo\Structured_Data;
use Dispo\Words;

function shown( $id ) {
	$facts = Facts::of( World::$products[ $id ] );
	return $facts ? Words::badge( $facts ) : null;
}

test( 'the shop has the last word where it is worse', function () {
	new WC_Product( 1, 0 );
	foreach ( Facts::BUYABLE as $state ) {
		badge( 1, $state, 5 );
		same( 'out_of_stock', Facts::of( World::$products[1] )['state'] );
	}
} );
test( 'what is not for sale promises nothing', function () {
	new WC_Product( 1, 5, array( 'purchasable' => false ) );
	badge( 1, 'in_stock' );
	same( null, shown( 1 ) );
} );
test( 'a raised number shows before its badge arrives', function () {
	new WC_Product( 1, 5 );
	badge( 1, 'out_of_stock' );
	same( 'In stock', shown( 1 ) );
	new WC_Product( 2, 0, array( 'backorders' => true ) );
	badge( 2, 'restocking', '', '2026-12-12' );
	same( 'Available to order, delivered later', shown( 2 ) );
} );
test( 'a count is never above the number of the shop', function () {
	new WC_Product( 1, 2 );
	badge( 1, 'low_stock', 5 );
	same( 'Only 2 left', shown( 1 ) );
	new WC_Product( 2, 9 );
	badge( 2, 'low_stock', 5 );
	same( 'Only 5 left', shown( 2 ) );
	new WC_Product( 3, 9 );
	badge( 3, 'low_stock' );
	same( 'Low stock', shown( 3 ) );
} );
test( 'dates are a day or a window, and never in the past', function () {
	new WC_Product( 1, 0 );
	badge( 1, 'restocking', '', '2026-12-12' );
	same( 'Back on December 12', shown( 1 ) );
	badge( 1, 'restocking', '', '2026-11-28', '2026-12-03' );
	same( 'Back between November 28 and December 3', shown( 1 ) );
	World::$locale = 'en_GB';
	badge( 1, 'restocking', '', '2026-12-01' );
	same( 'Back on 1 December', shown( 1 ) );
	foreach ( array( '2026-11-30', '2026-02-30', '<b>', '' ) as $date ) {
		badge( 1, 'restocking', '', $date );
		same( 'Back soon', shown( 1 ) );
	}
} );
test( 'without a word of Dispo the line of WooCommerce stays', function () {
	$plain = new WC_Product( 1, 5 );
	same( '<p>5 in stock</p>', Storefront::stock_html( '<p>5 in stock</p>', $plain ) );
	badge( 2, 'mystery' );
	same( 'x', Storefront::stock_html( 'x', new WC_Product( 2, 5 ) ) );
} );
test( 'the badge is plain HTML', function () {
	badge( 1, 'in_stock' );
	same( '<p class="dispo-badge" data-dispo-shows="1" data-state="in_stock">In stock</p>', Storefront::stock_html( '', new WC_Product( 1, 5 ) ) );
	World::$options['dispo_colors'] = 'theme';
	holds( 'class="dispo-badge dispo-plain stock in-stock"', Storefront::stock_html( '', World::$products[1] ) );
} );
test( 'a translated twin shows the badge of the item Dispo knows', function () {
	connect();
	badge( 1, 'restocking', '', '2026-12-12' );
	World::$twins[7] = array( 1, 7 );
	$twin = new WC_Product( 7, 0 );
	holds( 'data-dispo-shows="1"', Storefront::stock_html( '', $twin ) );
	holds( 'data-variant="1"', page_of( $twin ) );
} );
test( 'the form of a sold out product is open and posts to Dispo', function () {
	connect();
	badge( 1, 'out_of_stock' );
	$page = page_of( new WC_Product( 1, 0 ) );
	holds( 'action="https://dispo.example/s/key-of-the-shop/subscribe">', $page );
	holds( '<input type="hidden" name="id" value="1">', $page );
	holds( 'name="website"', $page );
	holds( 'Salt &amp; Pepper may e-mail me once', $page );
	same( 1, substr_count( $page, '<form' ) );
	same( '', page_of( World::$products[1] ), 'once a page' );
} );
test( 'the form of a product in stock is closed and there all the same', function () {
	connect();
	badge( 1, 'in_stock' );
	holds( '/subscribe" hidden>', page_of( new WC_Product( 1, 5 ) ) );
} );
test( 'nothing in the page depends on the visitor', function () {
	connect();
	badge( 1, 'out_of_stock' );
	$page = page_of( new WC_Product( 1, 0 ) );
	same( false, strpos( $page, 'nonce' ) );
} );
test( 'a variable product tells the facts of all its variations', function () {
	connect();
	new WC_Product( 11, 0, array( 'parent' => 10, 'type' => 'variation' ) );
	new WC_Product( 12, 4, array( 'parent' => 10, 'type' => 'variation' ) );
	new WC_Product( 13, 4, array( 'parent' => 10, 'type' => 'variation' ) );
	badge( 11, 'restocking', '', '2026-12-12' );
	badge( 12, 'low_stock', 9 );
	$page = page_of( new WC_Product( 10, null, array( 'type' => 'variable', 'children' => array( 11, 12, 13 ) ) ) );
	preg_match( '/data-variants="([^"]*)"/', $page, $found );
	same(
		array( '11' => array( 'state' => 'restocking', 'restock_on' => '2026-12-12', 'restock_until' => '2026-12-12' ), '12' => array( 'state' => 'low_stock', 'count' => 4 ) ),
		json_decode( htmlspecialchars_decode( $found[1] ), true ) + array()
	);
	same( false, strpos( $page, 'data-variant="' ) );
	holds( '/subscribe" hidden>', $page );
} );
test( 'similar products get a price only where the shop shows prices as they were entered', function () {
	connect();
	badge( 1, 'out_of_stock' );
	holds( 'data-similar="https://shop.example/wp-content/plugins/dispo/assets/similar.js?ver=' . Dispo\VERSION . '"', page_of( new WC_Product( 1, 0 ) ) );
	badge( 2, 'out_of_stock' );
	World::$options += array( 'woocommerce_calc_taxes' => 'yes', 'woocommerce_prices_include_tax' => 'no', 'woocommerce_tax_display_shop' => 'excl' );
	holds( 'data-currency="EUR"', page_of( new WC_Product( 2, 0 ) ) );
	badge( 3, 'out_of_stock' );
	World::$options['woocommerce_tax_display_shop'] = 'incl';
	holds( 'data-currency=""', page_of( new WC_Product( 3, 0 ) ) );
} );
test( 'no form before Dispo is connected', function () {
	badge( 1, 'out_of_stock' );
	same( '', page_of( new WC_Product( 1, 0 ) ) );
} );
test( 'the words of the administrator are used and escaped', function () {
	connect();
	World::$options += array( 'dispo_title' => '<Wait> & see', 'dispo_units' => 'yes' );
	badge( 1, 'out_of_stock' );
	$page = page_of( new WC_Product( 1, 0 ) );
	holds( '<h3>&lt;Wait&gt; &amp; see</h3>', $page );
	holds( 'name="units"', $page );
	holds( 'data-words="{&quot;title&quot;:&quot;&lt;Wait&gt; &amp; see&quot;}"', $page );
} );
test( 'a block theme gets the form after its block and not before', function () {
	connect();
	World::$is_block_theme = true;
	badge( 1, 'out_of_stock' );
	$GLOBALS['product'] = new WC_Product( 1, 0 );
	ob_start();
	Storefront::place_in_summary();
	same( '', ob_get_clean() );
	holds( '<block></block><div class="dispo"', Storefront::place_after_block( '<block></block>' ) );
	same( '<block></block>', Storefront::place_after_block( '<block></block>' ) );
} );
test( 'search engines read what the shopper meets', function () {
	$cases = array(
		array( 5, 'in_stock', '', 'InStock', null ), array( 5, 'low_stock', '', 'LimitedAvailability', null ), array( 5, 'preorder', '', 'PreOrder', null ), array( 5, 'made_to_order', '', 'MadeToOrder', null ),
		array( 5, 'discontinued', '', 'Discontinued', null ), array( 0, 'in_stock', '', 'OutOfStock', null ), array( 0, 'restocking', '2026-12-12', 'OutOfStock', '2026-12-12' ),
		array( 0, 'restocking', '2026-11-12', 'OutOfStock', null ),
	);
	foreach ( $cases as $case ) {
		badge( 1, $case[1], '', $case[2] );
		$offer = Structured_Data::offer( array( 'availability' => 'http://schema.org/InStock', 'price' => '5' ), new WC_Product( 1, $case[0] ) );
		same( array( 'https://schema.org/' . $case[3], $case[4], '5' ), array( $offer['availability'], isset( $offer['availabilityStarts'] ) ? $offer['availabilityStarts'] : null, $offer['price'] ) );
	}
} );
test( 'a variable product is as available as its best variation', function () {
	new WC_Product( 11, 0, array( 'parent' => 10 ) );
	new WC_Product( 12, 4, array( 'parent' => 10 ) );
	badge( 11, 'restocking', '', '2026-12-12' );
	badge( 12, 'low_stock', 4 );
	$parent = new WC_Product( 10, null, array( 'type' => 'variable', 'children' => array( 11, 12 ) ) );
	same( array( 'availability' => 'https://schema.org/LimitedAvailability' ), Structured_Data::offer( array(), $parent ) );
	World::$products[12]->status = 'outofstock';
	same( array( 'availability' => 'https://schema.org/OutOfStock', 'availabilityStarts' => '2026-12-12' ), Structured_Data::offer( array(), $parent ) );
	World::$meta[12] = array();
	same( array( 'availability' => 'theirs' ), Structured_Data::offer( array( 'availability' => 'theirs' ), $parent ) );
} );
