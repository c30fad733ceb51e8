<?php
/**
 * Asks Dispo before an order is placed.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * The number in the shop may be a moment old while another channel sells the last piece. Cart and checkout
 * therefore ask Dispo. Dispo's silence never stops a sale: after 1.5 seconds, or any answer that is not
 * understood, the shop goes on by its own number, says so in its log and asks nothing for a minute.
 */
final class Live_Check {

	const TIMEOUT_S = 1.5;
	const PAUSE_S   = 60;
	const FRESH_S   = 10;
	const TROUBLE   = 'dispo_trouble';
	const STOPS     = array( 'out_of_stock', 'restocking', 'discontinued' );

	/**
	 * Answers already heard in this request, by ids.
	 *
	 * @var array<string, array|null>
	 */
	private static $heard = array();

	/**
	 * Hooks into the classic and the block cart and checkout.
	 *
	 * @return void
	 */
	public static function hook() {
		if ( ! Settings::is_on( 'dispo_check' ) ) {
			return;
		}
		add_action( 'woocommerce_check_cart_items', array( self::class, 'in_page' ), 20 );
		add_action( 'woocommerce_store_api_cart_errors', array( self::class, 'in_store_api' ), 20, 2 );
	}

	/**
	 * Cart page, checkout page and the placing of an order: an error notice stops the order.
	 *
	 * @return void
	 */
	public static function in_page() {
		// The Store API calls this too and has a better place for the words.
		if ( ! function_exists( 'WC' ) || ! WC()->cart || ( defined( 'REST_REQUEST' ) && REST_REQUEST ) ) {
			return;
		}
		foreach ( self::problems( WC()->cart ) as $problem ) {
			if ( ! wc_has_notice( $problem, 'error' ) ) {
				wc_add_notice( $problem, 'error' );
			}
		}
	}

	/**
	 * Cart and checkout blocks.
	 *
	 * @param \WP_Error $errors Where to say it.
	 * @param \WC_Cart  $cart   The cart.
	 * @return void
	 */
	public static function in_store_api( $errors, $cart ) {
		foreach ( self::problems( $cart ) as $problem ) {
			$errors->add( 'dispo_not_available', $problem );
		}
	}

	/**
	 * What cannot be sold, in words for the shopper. Only items that Dispo manages, and none of which the
	 * shop sells more than it has on purpose.
	 *
	 * @param \WC_Cart $cart The cart.
	 * @return string[] By item.
	 */
	public static function problems( $cart ) {
		$wanted = array();
		$names  = array();
		foreach ( $cart->get_cart() as $line ) {
			$product = isset( $line['data'] ) ? $line['data'] : null;
			if ( ! $product instanceof \WC_Product || $product->backorders_allowed() ) {
				continue;
			}
			list( $id, $written ) = Facts::written( $product->get_id() );
			if ( null === $written ) {
				continue;
			}
			$wanted[ $id ] = ( isset( $wanted[ $id ] ) ? $wanted[ $id ] : 0 ) + (float) $line['quantity'];
			$names[ $id ]  = wp_strip_all_tags( $product->get_name() );
		}
		$live     = $wanted ? self::ask( array_keys( $wanted ) ) : null;
		$problems = array();
		foreach ( $live ? $wanted : array() as $id => $quantity ) {
			$facts = isset( $live[ $id ] ) && is_array( $live[ $id ] ) ? $live[ $id ] : array();
			$state = isset( $facts['state'] ) ? $facts['state'] : '';
			$count = isset( $facts['count'] ) && is_int( $facts['count'] ) ? $facts['count'] : null;
			if ( in_array( $state, self::STOPS, true ) ) {
				/* translators: %s: a product's name. */
				$problems[ $id ] = sprintf( __( 'Sorry, “%s” has just sold out. Please remove it from your cart.', 'dispo' ), $names[ $id ] );
			} elseif ( 'low_stock' === $state && null !== $count && $quantity > $count ) {
				/* translators: 1: a product's name, 2: a number of pieces. */
				$problems[ $id ] = sprintf( __( 'Sorry, only %2$d of “%1$s” are left. Please lower the quantity.', 'dispo' ), $names[ $id ], $count );
			}
		}
		return $problems;
	}

	/**
	 * What Dispo says of everything in the cart that it manages.
	 *
	 * @param \WC_Cart $cart The cart.
	 * @return array Facts by id; empty when Dispo does not say.
	 */
	public static function facts( $cart ) {
		$ids = array();
		foreach ( $cart->get_cart() as $line ) {
			if ( isset( $line['data'] ) && $line['data'] instanceof \WC_Product ) {
				list( $id, $written ) = Facts::written( $line['data']->get_id() );
				if ( null !== $written ) {
					$ids[ $id ] = $id;
				}
			}
		}
		$live = $ids ? self::ask( array_values( $ids ) ) : null;
		return is_array( $live ) ? array_filter( $live, 'is_array' ) : array();
	}

	/**
	 * Where the parcel goes, as far as the shopper said.
	 *
	 * @return string Two letters, or ''.
	 */
	private static function country() {
		$customer = function_exists( 'WC' ) && isset( WC()->customer ) ? WC()->customer : null;
		$country  = is_object( $customer ) ? (string) $customer->get_shipping_country() : '';
		return preg_match( '/^[A-Z]{2}$/D', $country ) ? $country : '';
	}

	/**
	 * What Dispo says now.
	 *
	 * @param int[] $ids Items.
	 * @return array|null Facts by id; null when Dispo does not say.
	 */
	private static function ask( array $ids ) {
		if ( ! Settings::is_connected() || get_transient( self::TROUBLE ) ) {
			return null;
		}
		sort( $ids );
		$country = self::country();
		// Part of the key too: another country has other days.
		$ids = rawurlencode( implode( ',', array_slice( $ids, 0, 100 ) ) ) . ( $country ? '&country=' . $country : '' );
		if ( array_key_exists( $ids, self::$heard ) ) {
			return self::$heard[ $ids ];
		}
		// A placed order is always asked for; a page is content with an answer of a moment ago.
		$key  = 'dispo_live_' . md5( Settings::server() . Settings::key() . $ids );
		$kept = self::is_placing() ? false : get_transient( $key );
		if ( is_array( $kept ) ) {
			self::$heard[ $ids ] = $kept;
			return $kept;
		}
		$answer = wp_remote_get(
			Settings::server() . '/s/' . Settings::key() . '/availability?live=1&ids=' . $ids,
			array(
				'timeout'             => self::TIMEOUT_S,
				'redirection'         => 0,
				'limit_response_size' => 262144,
				'user-agent'          => 'Dispo-WooCommerce/' . VERSION,
				'headers'             => array( 'Accept' => 'application/json' ),
			)
		);
		$live   = self::read( $answer );
		if ( null !== $live ) {
			set_transient( $key, $live, self::FRESH_S );
		}
		self::$heard[ $ids ] = $live;
		return $live;
	}

	/**
	 * Is an order being placed by this request?
	 *
	 * @return bool
	 */
	private static function is_placing() {
		// phpcs:ignore WordPress.Security.NonceVerification -- only looked at.
		return isset( $_POST['woocommerce-process-checkout-nonce'] ) || ( defined( 'REST_REQUEST' ) && REST_REQUEST && isset( $_SERVER['REQUEST_METHOD'] ) && 'POST' === $_SERVER['REQUEST_METHOD'] );
	}

	/**
	 * The items of an answer.
	 *
	 * @param array|\WP_Error $answer What wp_remote_get() returned.
	 * @return array|null
	 */
	private static function read( $answer ) {
		if ( is_wp_error( $answer ) ) {
			self::trouble( $answer->get_error_message() );
			return null;
		}
		$status = (int) wp_remote_retrieve_response_code( $answer );
		$data   = json_decode( wp_remote_retrieve_body( $answer ), true );
		if ( 200 !== $status || ! is_array( $data ) || ! isset( $data['items'] ) || ! is_array( $data['items'] ) ) {
			self::trouble( 'HTTP ' . $status );
			return null;
		}
		return $data['items'];
	}

	/**
	 * Notes that Dispo did not answer, and lets it be for a while: no shopper waits for it twice.
	 *
	 * @param string $cause What happened.
	 * @return void
	 */
	private static function trouble( $cause ) {
		set_transient( self::TROUBLE, 1, self::PAUSE_S );
		if ( function_exists( 'wc_get_logger' ) ) {
			wc_get_logger()->warning(
				sprintf( 'Dispo did not say what is available (%s). The sale goes on by the shop\'s own number; Dispo is asked again in %d seconds.', $cause, self::PAUSE_S ),
				array( 'source' => 'dispo' )
			);
		}
	}

	/**
	 * After new settings Dispo is asked at once.
	 *
	 * @return void
	 */
	public static function forget_trouble() {
		delete_transient( self::TROUBLE );
		self::$heard = array();
	}
}
