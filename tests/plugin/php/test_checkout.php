<?php
require __DIR__ . '/bootstrap.php';

use Dispo\Core_Notifications;
use Dispo\Delivery;
use Dispo\Live_Check;
use Dispo\Page_Caches;

function cart( array $lines ) {
	connect();
	World::$cart = new Cart( $lines );
	return Live_Check::problems( World::$cart );
}

test( 'what another channel sold is stopped at the checkout', function () {
	foreach ( array( 1, 2, 3, 4 ) as $id ) {
		new WC_Product( $id, 5 );
		badge( $id, 'in_stock' );
	}
	says( array( '1' => array( 'state' => 'out_of_stock' ), '2' => array( 'state' => 'low_stock', 'count' => 2 ), '3' => array( 'state' => 'low_stock', 'count' => 2 ), '4' => array( 'state' => 'in_stock' ) ) );
	same(
		array( 1 => 'Sorry, “Item 1” has just sold out. Please remove it from your cart.', 3 => 'Sorry, only 2 of “Item 3” are left. Please lower the quantity.' ),
		cart( array( 1 => 1, 2 => 2, 3 => 3, 4 => 5 ) )
	);
	same( 1, count( World::$calls ) );
	same( 'https://dispo.example/s/key-of-the-shop/availability?live=1&ids=1%2C2%2C3%2C4', World::$calls[0][0] );
	same( array( 1.5, 0 ), array( World::$calls[0][1]['timeout'], World::$calls[0][1]['redirection'] ) );
} );
test( 'only what Dispo manages is asked for, and nothing that may be sold on backorder', function () {
	new WC_Product( 1, 5 );
	new WC_Product( 2, 0, array( 'backorders' => true ) );
	badge( 2, 'out_of_stock' );
	says( array( '1' => array( 'state' => 'out_of_stock' ), '2' => array( 'state' => 'out_of_stock' ) ) );
	same( array(), cart( array( 1 => 1, 2 => 1 ) ) );
	same( array(), World::$calls );
} );
test( 'silence never stops a sale, is logged, and is not waited for twice', function () {
	new WC_Product( 1, 5 );
	badge( 1, 'in_stock' );
	World::$answer = new WP_Error( 'http_request_failed', 'Operation timed out after 1500 milliseconds' );
	same( array(), cart( array( 1 => 1 ) ) );
	same( 1, count( World::$log ) );
	holds( 'Operation timed out', World::$log[0] );
	says( array( '1' => array( 'state' => 'out_of_stock' ) ) );
	same( array(), cart( array( 1 => 1 ) ) );
	same( 1, count( World::$calls ) );
	Live_Check::forget_trouble();
	same( 1, count( cart( array( 1 => 1 ) ) ) );
} );
test( 'an answer that is not understood never stops a sale', function () {
	new WC_Product( 1, 5 );
	badge( 1, 'in_stock' );
	foreach ( array( array( 'status' => 500, 'body' => '{"items":{"1":{"state":"out_of_stock"}}}' ), array( 'status' => 200, 'body' => '<html>' ), array( 'status' => 200, 'body' => '{"items":{"1":"out_of_stock"}}' ), array( 'status' => 200, 'body' => '{"items":{}}' ) ) as $answer ) {
		World::$transients = array();
		World::$answer     = $answer;
		same( array(), cart( array( 1 => 1 ) ) );
	}
} );
test( 'both checkouts say it, once', function () {
	new WC_Product( 1, 5 );
	badge( 1, 'in_stock' );
	says( array( '1' => array( 'state' => 'restocking' ) ) );
	$problem = 'Sorry, “Item 1” has just sold out. Please remove it from your cart.';
	cart( array( 1 => 1 ) );
	Live_Check::in_page();
	Live_Check::in_page();
	same( array( $problem ), World::$notices );
	$errors = new WP_Error();
	Live_Check::in_store_api( $errors, World::$cart );
	same( array( array( 'dispo_not_available', $problem ) ), $errors->errors );
} );
test( 'the page of a changed badge is purged once, and that of its twin', function () {
	Page_Caches::hook();
	new WC_Product( 11, 0, array( 'parent' => 10 ) );
	World::$twins[11] = array( 21 );
	new WC_Product( 21, 0, array( 'parent' => 20 ) );
	Dispo\Stock::work( array( 'id' => 11, 'badge' => array( 'state' => 'out_of_stock' ) ) );
	update_post_meta( 99, '_price', '5' );
	same( array(), World::$purged );
	do_action( 'shutdown' );
	same( array( 10, 20 ), World::$purged );
	do_action( 'shutdown' );
	same( array( 10, 20 ), World::$purged );
} );
test( 'an unchanged badge purges nothing', function () {
	Page_Caches::hook();
	new WC_Product( 1, 0 );
	badge( 1, 'out_of_stock' );
	Dispo\Stock::work( array( 'id' => 1, 'badge' => array( 'state' => 'out_of_stock' ) ) );
	do_action( 'shutdown' );
	same( array(), World::$purged );
} );
test( 'WooCommerce asks nobody where Dispo does', function () {
	$known   = new WC_Product( 1, 0 );
	$unknown = new WC_Product( 2, 0 );
	badge( 1, 'out_of_stock' );
	same( true, Core_Notifications::is_valid( true, $known ) );
	connect();
	same( false, Core_Notifications::is_valid( true, $known ) );
	same( true, Core_Notifications::is_valid( true, $unknown ) );
	World::$options['dispo_core_form'] = 'show';
	same( true, Core_Notifications::is_valid( true, $known ) );
} );
test( 'the days of delivery stand in cart and checkout and are kept with the order', function () {
	new WC_Product( 1, 5 );
	new WC_Product( 2, 5 );
	badge( 1, 'in_stock' );
	badge( 2, 'in_stock' );
	says( array( '1' => array( 'state' => 'in_stock', 'delivery' => array( '2026-11-24', '2026-11-26' ) ), '2' => array( 'state' => 'in_stock', 'delivery' => array( '<b>', '2026-13-40' ) ) ) );
	connect();
	World::$cart = new Cart( array( 1 => 1, 2 => 1 ) );
	list( $one, $two ) = World::$cart->get_cart();
	same( array( array( 'key' => 'Delivery', 'value' => 'November 24 – November 26' ) ), Delivery::in_cart( array(), $one ) );
	same( array(), Delivery::in_cart( array(), $two ) );
	$item = new class() {
		public $kept = array();
		public function add_meta_data( $key, $value, $unique ) { $this->kept[ $key ] = $value; }
	};
	Delivery::keep( $item, 'a', $one );
	Delivery::keep( $item, 'b', $two );
	same( array( 'Delivery' => 'November 24 – November 26' ), $item->kept );
	same( 1, count( World::$calls ) );
} );
test( 'where Dispo is silent nothing is promised', function () {
	new WC_Product( 1, 5 );
	badge( 1, 'in_stock' );
	connect();
	World::$cart   = new Cart( array( 1 => 1 ) );
	World::$answer = new WP_Error( 'http_request_failed', 'timed out' );
	same( array(), Delivery::in_cart( array(), World::$cart->get_cart()[0] ) );
} );
