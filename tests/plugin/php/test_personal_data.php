<?php
require __DIR__ . '/bootstrap.php';

use Dispo\Personal_Data;
use Dispo\Rest;

const SECRET = '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef';

function told() {
	connect();
	World::$options['dispo_secret'] = SECRET;
}
function answers( $status, $value ) {
	World::$answer = array( 'status' => $status, 'body' => is_string( $value ) ? $value : json_encode( $value ) );
}
function sign_up( $id, $item ) {
	return array( 'id' => $id, 'item' => $item, 'address' => 'ann@example.com', 'wanted_units' => 2, 'locale' => 'en', 'status' => 'waiting', 'consent_text' => 'I agree <b>once</b>', 'created_at' => '2026-11-01T09:00:00+00:00', 'confirmed_at' => null, 'ended_at' => null );
}

test( 'both tools know Dispo, and only in a shop that is connected', function () {
	Personal_Data::hook();
	same( array( 'other' ), array_keys( apply_filters( 'wp_privacy_personal_data_exporters', array( 'other' => array() ) ) ) );
	same( array(), apply_filters( 'wp_privacy_personal_data_erasers', array() ) );
	told();
	$exporters = apply_filters( 'wp_privacy_personal_data_exporters', array( 'other' => array() ) );
	$erasers   = apply_filters( 'wp_privacy_personal_data_erasers', array() );
	same( array( 'other', 'dispo' ), array_keys( $exporters ) );
	same( array( 'dispo' ), array_keys( $erasers ) );
	same( array( true, true ), array( is_callable( $exporters['dispo']['callback'] ), is_callable( $erasers['dispo']['callback'] ) ) );
} );
test( 'a question is signed, and says what, for whom, which page and when', function () {
	told();
	answers( 200, array( 'items' => array(), 'messages' => array(), 'done' => true ) );
	same( array( 'data' => array(), 'done' => true ), Personal_Data::export( 'ann@example.com', 3 ) );
	list( $url, $options ) = World::$calls[0];
	same( 'https://dispo.example/shop/key-of-the-shop/people', $url );
	same( hash_hmac( 'sha256', $options['body'], SECRET ), $options['headers']['X-Dispo-Signature'] );
	$asked = json_decode( $options['body'], true );
	same( array( 'export', 'ann@example.com', 3 ), array( $asked['what'], $asked['email'], $asked['page'] ) );
	same( true, abs( time() - $asked['at'] ) < 60 );
	same( 0, $options['redirection'] );
} );
test( 'what is kept is exported in groups that a person can read', function () {
	told();
	answers( 200, array( 'items' => array( sign_up( 7, 'Blue <i>mug</i>' ), sign_up( 9, 'Red mug' ) ), 'messages' => array( array( 'id' => 4, 'subject' => 'Please confirm', 'kind' => 'confirm', 'status' => 'sent', 'sending_at' => null ) ), 'done' => false ) );
	$found = Personal_Data::export( 'ann@example.com', 1 );
	same( false, $found['done'] );
	same( array( 'dispo-sign-up-7', 'dispo-sign-up-9', 'dispo-message-4' ), array_column( $found['data'], 'item_id' ) );
	same( array( 'dispo-sign-ups', 'dispo-sign-ups', 'dispo-messages' ), array_column( $found['data'], 'group_id' ) );
	same(
		array(
			array( 'name' => 'Item', 'value' => 'Blue &lt;i&gt;mug&lt;/i&gt;' ),
			array( 'name' => 'Address', 'value' => 'ann@example.com' ),
			array( 'name' => 'Wanted quantity', 'value' => '2' ),
			array( 'name' => 'Language', 'value' => 'en' ),
			array( 'name' => 'Status', 'value' => 'waiting' ),
			array( 'name' => 'Consent', 'value' => 'I agree &lt;b&gt;once&lt;/b&gt;' ),
			array( 'name' => 'Signed up on', 'value' => '2026-11-01T09:00:00+00:00' ),
		),
		$found['data'][0]['data']
	);
	same( array( 'Subject', 'Kind', 'Status' ), array_column( $found['data'][2]['data'], 'name' ) );
} );
test( 'an erasure says what was removed and what stays', function () {
	told();
	answers( 200, array( 'erased' => 2, 'retained' => false ) );
	same( array( 'items_removed' => true, 'items_retained' => false, 'messages' => array(), 'done' => true ), Personal_Data::erase( 'ann@example.com', 1 ) );
	same( 'erase', json_decode( World::$calls[0][1]['body'], true )['what'] );
	answers( 200, array( 'erased' => 0, 'retained' => true ) );
	$found = Personal_Data::erase( 'ann@example.com', 1 );
	same( array( false, true, true, 1 ), array( $found['items_removed'], $found['items_retained'], $found['done'], count( $found['messages'] ) ) );
	holds( 'fingerprint', $found['messages'][0] );
} );
test( 'an erasure that Dispo did not do is never told as done', function () {
	told();
	foreach ( array( array( 'status' => 500, 'body' => '{}' ), array( 'status' => 401, 'body' => '{"error":"not signed"}' ), array( 'status' => 200, 'body' => '<html>' ), array( 'status' => 200, 'body' => '{"erased":"2"}' ), new WP_Error( 'http_request_failed', 'Operation timed out' ) ) as $answer ) {
		World::$answer = $answer;
		$found         = Personal_Data::erase( 'ann@example.com', 1 );
		same( array( false, true, true, 1 ), array( $found['items_removed'], $found['items_retained'], $found['done'], count( $found['messages'] ) ) );
		holds( 'did not answer (', $found['messages'][0] );
		same( false, strpos( $found['messages'][0], 'ann@' ) );
	}
} );
test( 'an export that Dispo did not answer stops, instead of looking complete', function () {
	told();
	foreach ( array( array( 'status' => 503, 'body' => '' ), array( 'status' => 200, 'body' => '{"items":[]}' ), array( 'status' => 200, 'body' => '{"items":"none","messages":[],"done":true}' ), new WP_Error( 'http_request_failed', 'Operation timed out' ) ) as $answer ) {
		World::$answer = $answer;
		$found         = Personal_Data::export( 'ann@example.com', 1 );
		same( true, is_wp_error( $found ) );
		holds( 'Try again, or export and erase in Dispo.', $found->get_error_message() );
	}
} );
test( 'before Dispo told the secret nothing is sent, and that is said', function () {
	connect();
	holds( 'Connect the shop in Dispo again', Personal_Data::export( 'ann@example.com', 1 )->get_error_message() );
	same( true, Personal_Data::erase( 'ann@example.com', 1 )['items_retained'] );
	same( array(), World::$calls );
} );
test( 'Dispo tells the secret with its address, and an older Dispo takes it away', function () {
	Rest::connection( new Request( array( 'server' => 'https://dispo.example', 'key' => 'key-of-the-shop', 'secret' => SECRET ) ) );
	same( SECRET, World::$options['dispo_secret'] );
	foreach ( array( 'short', strtoupper( SECRET ), array(), SECRET . "\n" ) as $wrong ) {
		Rest::connection( new Request( array( 'server' => 'https://dispo.example', 'key' => 'key-of-the-shop', 'secret' => $wrong ) ) );
		same( '', World::$options['dispo_secret'] );
	}
	Rest::connection( new Request( array( 'server' => 'https://dispo.example', 'key' => 'key-of-the-shop' ) ) );
	same( '', World::$options['dispo_secret'] );
} );
