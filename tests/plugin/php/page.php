<?php
/**
 * Prints what the plugin puts on a product page, for the browser: page.php ADDRESS simple|variable.
 */
require __DIR__ . '/bootstrap.php';

World::$options += array( 'dispo_server' => $argv[1], 'dispo_key' => 'key-of-the-shop' );
World::$today    = gmdate( 'Y-m-d' );
$soon            = gmdate( 'Y-m-d', time() + 30 * 86400 );
if ( 'simple' === $argv[2] ) {
	$one = new WC_Product( 5, 7 );
	badge( 5, 'in_stock' );
	echo Dispo\Storefront::stock_html( '', $one ), '<form><button>Add to cart</button></form>', page_of( $one );
} else {
	foreach ( array( 11 => 0, 12 => 4 ) as $id => $stock ) {
		new WC_Product( $id, $stock, array( 'parent' => 10, 'type' => 'variation' ) );
	}
	badge( 11, 'out_of_stock' );
	badge( 12, 'low_stock', 3 );
	echo '<form class="variations_form"><div id="box"></div><input type="hidden" name="variation_id" value="0"></form>';
	echo '<p class="dispo-badge" data-dispo-follows="10" id="follows" hidden></p>';
	echo page_of( new WC_Product( 10, null, array( 'type' => 'variable', 'children' => array( 11, 12 ) ) ) );
	foreach ( array( 11, 12 ) as $id ) {
		echo "<template id=\"of-$id\">" . Dispo\Storefront::stock_html( '', World::$products[ $id ] ) . '</template>';
	}
}
