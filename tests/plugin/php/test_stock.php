<?php
require __DIR__ . '/bootstrap.php';

use Dispo\Stock;
use Dispo\Rest;

function number( $id, $stock, array $more = array() ) {
	$GLOBALS['wpdb']->stock[ $id ] = (string) $stock;
	return new WC_Product( $id, $stock, $more );
}

test( 'an expected number is set in one statement and WooCommerce does the rest', function () {
	number( 10, 4 );
	same( array( 'id' => 10, 'status' => 'done' ), Stock::work( array( 'id' => 10, 'from' => 4, 'to' => 9 ) ) );
	same( '9', $GLOBALS['wpdb']->stock[10] );
	same( 1, count( $GLOBALS['wpdb']->statements ) );
	holds( "WHERE post_id = 10 AND meta_key = '_stock' AND meta_value <> '' AND FLOOR( meta_value ) = 4", $GLOBALS['wpdb']->statements[0] );
	same( array( array( 10, 0, 'increase' ) ), World::$log );
} );
test( 'a sale between reading and writing is a conflict and nothing is written', function () {
	number( 10, 4 );
	$GLOBALS['wpdb']->meanwhile = function ( $db ) { $db->stock[10] = '3'; };
	same( array( 'id' => 10, 'status' => 'conflict', 'remote' => 3 ), Stock::work( array( 'id' => 10, 'from' => 4, 'to' => 9, 'badge' => array( 'state' => 'in_stock' ) ) ) );
	same( '3', $GLOBALS['wpdb']->stock[10] );
	same( array(), World::$log );
	same( array(), World::$meta );
} );
test( 'an equal number is done without a write', function () {
	number( 10, 4 );
	same( 'done', Stock::work( array( 'id' => 10, 'from' => 4, 'to' => 4 ) )['status'] );
	same( array( 'id' => 10, 'status' => 'conflict', 'remote' => 4 ), Stock::work( array( 'id' => 10, 'from' => 5, 'to' => 5 ) ) );
	same( array(), $GLOBALS['wpdb']->statements );
} );
test( 'without an expected number it is set whatever it is', function () {
	number( 10, -2 );
	same( 'done', Stock::work( array( 'id' => 10, 'from' => null, 'to' => 7 ) )['status'] );
	same( '7', $GLOBALS['wpdb']->stock[10] );
	new WC_Product( 11, 0 );
	same( 'done', Stock::work( array( 'id' => 11, 'to' => 5 ) )['status'] );
	same( '5', $GLOBALS['wpdb']->stock[11] );
} );
test( 'a missing number is never taken for zero', function () {
	number( 10, 0 );
	$GLOBALS['wpdb']->stock[10] = '';
	same( array( 'id' => 10, 'status' => 'conflict', 'remote' => null ), Stock::work( array( 'id' => 10, 'from' => 0, 'to' => 5 ) ) );
	same( '', $GLOBALS['wpdb']->stock[10] );
} );
test( 'a fraction counts as the pieces below it', function () {
	number( 10, 2.5 );
	same( 'done', Stock::work( array( 'id' => 10, 'from' => 2, 'to' => 3 ) )['status'] );
	number( 11, 2.5 );
	same( array( 'id' => 11, 'status' => 'conflict', 'remote' => 2 ), Stock::work( array( 'id' => 11, 'from' => 3, 'to' => 5 ) ) );
} );
test( 'a database that refuses is worth another try', function () {
	number( 10, 4 );
	$GLOBALS['wpdb']->fails = true;
	$answer = Stock::work( array( 'id' => 10, 'from' => 4, 'to' => 9 ) );
	same( array( 'error', 'database', false ), array( $answer['status'], $answer['code'], $answer['is_final'] ) );
	same( array(), World::$log );
} );
test( 'what is not managed, gone or in the trash is refused', function () {
	number( 10, 4, array( 'managed' => false ) );
	number( 11, 4, array( 'managed' => 'parent', 'parent' => 99 ) );
	number( 12, 4, array( 'post_status' => 'trash' ) );
	number( 13, 4, array( 'parent' => 12 ) );
	$codes = array();
	foreach ( array( 10, 11, 12, 13, 14 ) as $id ) {
		$answer  = Stock::work( array( 'id' => $id, 'from' => 4, 'to' => 9 ) );
		$codes[] = array( $answer['code'], isset( $answer['manage_stock'] ) ? $answer['manage_stock'] : null );
	}
	same( array( array( 'not_managed', false ), array( 'not_managed', 'parent' ), array( 'trash', null ), array( 'trash', null ), array( 'not_found', null ) ), $codes );
	same( array(), $GLOBALS['wpdb']->statements );
} );
test( 'what is malformed is refused before anything is written', function () {
	number( 10, 4 );
	$bad = array(
		array(), array( 'id' => '10', 'to' => 1 ), array( 'id' => 10 ), array( 'id' => 10, 'to' => -1 ), array( 'id' => 10, 'to' => '7' ), array( 'id' => 10, 'to' => 2.5 ),
		array( 'id' => 10, 'to' => null ), array( 'id' => 10, 'from' => '4', 'to' => 9 ), array( 'id' => 10, 'to' => 9, 'badge' => array() ), array( 'id' => 10, 'badge' => array( 'state' => 'sold' ) ),
		array( 'id' => 10, 'badge' => array( 'state' => 'low_stock', 'count' => '3' ) ), array( 'id' => 10, 'badge' => array( 'state' => 'restocking', 'restock_on' => '2026-02-30' ) ),
		array( 'id' => 10, 'badge' => array( 'state' => 'restocking', 'restock_on' => '<script>' ) ),
	);
	foreach ( $bad as $item ) {
		same( array( 'error', 'invalid' ), array( Stock::work( $item )['status'], Stock::work( $item )['code'] ) );
	}
	same( array(), $GLOBALS['wpdb']->statements );
	same( array(), World::$meta );
} );
test( 'a badge is text, and every key is written', function () {
	number( 10, 4 );
	same( 'done', Stock::work( array( 'id' => 10, 'badge' => array( 'state' => 'low_stock', 'count' => 3, 'restock_on' => null ) ) )['status'] );
	same( array( '_dispo_state' => 'low_stock', '_dispo_count' => '3', '_dispo_restock_on' => '', '_dispo_restock_until' => '' ), World::$meta[10] );
	same( array(), $GLOBALS['wpdb']->statements );
} );
test( 'each item is answered by itself, in order', function () {
	number( 10, 4 );
	number( 11, 4 );
	$answer = Rest::stock( new Request( array( 'items' => array( array( 'id' => 11, 'from' => 4, 'to' => 1 ), 'nonsense', array( 'id' => 10, 'from' => 9, 'to' => 1 ) ) ) ) );
	same( array( array( 11, 'done' ), array( 0, 'error' ), array( 10, 'conflict' ) ), array_map( function ( $one ) { return array( $one['id'], $one['status'] ); }, $answer['items'] ) );
} );
test( 'a body that is no list, or too long, is refused whole', function () {
	foreach ( array( null, array(), array( 'items' => 'x' ), array( 'items' => array( 'a' => 1 ) ) ) as $body ) {
		same( 400, Rest::stock( new Request( $body ) )->data['status'] );
	}
	same( 413, Rest::stock( new Request( array( 'items' => array_fill( 0, 101, array() ) ) ) )->data['status'] );
} );
test( 'only who manages the shop may call', function () {
	same( 401, Rest::may_manage()->data['status'] );
	World::$options += array( 'can_manage_woocommerce' => true, 'can_edit_products' => true );
	same( true, Rest::may_manage() );
} );
test( 'Dispo may tell where it is, and nothing that is no address', function () {
	foreach ( array( array( 'javascript:alert(1)', 'key-of-the-shop' ), array( 'https://me:pw@dispo.example', 'key-of-the-shop' ), array( 'https://dispo.example', 'a"b' ), array( array(), null ) ) as $pair ) {
		same( 400, Rest::connection( new Request( array( 'server' => $pair[0], 'key' => $pair[1] ) ) )->data['status'] );
	}
	same( false, Dispo\Settings::is_connected() );
	same( array( 'is_connected' => true ), Rest::connection( new Request( array( 'server' => 'https://dispo.example/', 'key' => 'Ab3-xyz_9876' ) ) ) );
	same( array( 'https://dispo.example', 'Ab3-xyz_9876' ), array( Dispo\Settings::server(), Dispo\Settings::key() ) );
} );
