<?php
/**
 * The routes Dispo calls.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * Below wc-dispo/v1, because WooCommerce recognises its keys only on routes that begin with "wc/" or "wc-".
 */
final class Rest {

	const SPACE      = 'wc-dispo/v1';
	const MOST_ITEMS = 100;

	/**
	 * Hooks the routes up.
	 *
	 * @return void
	 */
	public static function hook() {
		add_action( 'rest_api_init', array( self::class, 'register' ) );
	}

	/**
	 * Registers the routes.
	 *
	 * @return void
	 */
	public static function register() {
		$routes = array(
			'/status'     => array( 'GET', 'status' ),
			'/stock'      => array( 'POST', 'stock' ),
			'/connection' => array( 'POST', 'connection' ),
		);
		foreach ( $routes as $path => $route ) {
			register_rest_route(
				self::SPACE,
				$path,
				array(
					'methods'             => $route[0],
					'callback'            => array( self::class, $route[1] ),
					'permission_callback' => array( self::class, 'may_manage' ),
				)
			);
		}
	}

	/**
	 * May the key's user manage the shop? WooCommerce has checked before whether the key may read or write.
	 *
	 * @return true|\WP_Error
	 */
	public static function may_manage() {
		if ( current_user_can( 'manage_woocommerce' ) && current_user_can( 'edit_products' ) ) {
			return true;
		}
		return new \WP_Error(
			'woocommerce_rest_cannot_edit',
			__( 'Sorry, you are not allowed to edit this resource.', 'dispo' ),
			array( 'status' => rest_authorization_required_code() )
		);
	}

	/**
	 * GET status: what this plugin can do. Callers ask for features, never for a version.
	 *
	 * @return array
	 */
	public static function status() {
		return array(
			'version'      => VERSION,
			'features'     => array( 'conditional_stock', 'badges', 'connection', 'people' ),
			'most_items'   => self::MOST_ITEMS,
			'is_connected' => Settings::is_connected(),
			'tracks_stock' => 'yes' === get_option( 'woocommerce_manage_stock' ),
		);
	}

	/**
	 * POST stock: {"items": [{"id", "from", "to", "badge"}, …]}, at most 100, each by itself.
	 *
	 * @param \WP_REST_Request $request The call.
	 * @return array|\WP_Error {"items": […]}, one answer an item, in order.
	 */
	public static function stock( $request ) {
		$body  = $request->get_json_params();
		$items = is_array( $body ) && isset( $body['items'] ) ? $body['items'] : null;
		if ( ! is_array( $items ) || array_values( $items ) !== $items ) {
			return new \WP_Error( 'rest_invalid_param', 'items must be a list.', array( 'status' => 400 ) );
		}
		if ( count( $items ) > self::MOST_ITEMS ) {
			return new \WP_Error(
				'woocommerce_rest_request_entity_too_large',
				/* translators: %d: a number of items. */
				sprintf( __( 'Unable to accept more than %d items for this request.', 'dispo' ), self::MOST_ITEMS ),
				array( 'status' => 413 )
			);
		}
		if ( function_exists( 'wc_set_time_limit' ) ) {
			wc_set_time_limit( 120 );
		}
		$ids = array();
		foreach ( $items as $item ) {
			if ( is_array( $item ) && isset( $item['id'] ) && is_int( $item['id'] ) ) {
				$ids[] = $item['id'];
			}
		}
		// Two queries instead of two an item.
		_prime_post_caches( $ids, true, true );
		$answers = array();
		foreach ( $items as $item ) {
			$answers[] = Stock::work( is_array( $item ) ? $item : array() );
		}
		return array( 'items' => $answers );
	}

	/**
	 * POST connection: {"server", "key", "secret"}. Dispo tells where it is, so that nobody has to copy it over,
	 * and the secret with which this shop asks about people.
	 *
	 * @param \WP_REST_Request $request The call.
	 * @return array|\WP_Error
	 */
	public static function connection( $request ) {
		$body   = $request->get_json_params();
		$server = Settings::clean_server( is_array( $body ) && isset( $body['server'] ) ? $body['server'] : '' );
		$key    = Settings::clean_key( is_array( $body ) && isset( $body['key'] ) ? $body['key'] : '' );
		if ( '' === $server || '' === $key ) {
			return new \WP_Error( 'rest_invalid_param', 'server must be a web address, key a store key.', array( 'status' => 400 ) );
		}
		update_option( 'dispo_server', $server );
		update_option( 'dispo_key', $key );
		update_option( 'dispo_secret', Settings::clean_secret( isset( $body['secret'] ) ? $body['secret'] : '' ), false );
		Live_Check::forget_trouble();
		return array( 'is_connected' => Settings::is_connected() );
	}
}
