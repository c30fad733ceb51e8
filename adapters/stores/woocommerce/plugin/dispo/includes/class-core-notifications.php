<?php
/**
 * WooCommerce's own back in stock notifications.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * WooCommerce has a waiting list of its own, switched off in most shops. Nobody shall be asked twice on one
 * page or be told twice: where Dispo shows its form WooCommerce's is hidden. Who signed up there before is
 * still told by WooCommerce, unless the administrator has moved that list to Dispo and holds those mails.
 */
final class Core_Notifications {

	/**
	 * Hooks in; without the feature these hooks are never called.
	 *
	 * @return void
	 */
	public static function hook() {
		add_filter( 'woocommerce_customer_stock_notifications_product_is_valid', array( self::class, 'is_valid' ), 20, 2 );
		add_filter( 'woocommerce_customer_stock_notification_should_skip_sending', array( self::class, 'should_skip' ), 20, 2 );
	}

	/**
	 * May WooCommerce show its form?
	 *
	 * The same question is asked when mails are sent, and then the answer must not change: only page views
	 * are answered here.
	 *
	 * @param bool        $is_valid WooCommerce's answer.
	 * @param \WC_Product $product  The product.
	 * @return bool
	 */
	public static function is_valid( $is_valid, $product ) {
		if ( ! $is_valid || is_admin() || wp_doing_cron() || 'hide' !== Settings::get( 'dispo_core_form' ) || ! did_action( 'wp' ) ) {
			return $is_valid;
		}
		$is_ours = Settings::is_connected() && Settings::is_on( 'dispo_form' ) && self::is_known( $product );
		return ! $is_ours;
	}

	/**
	 * Shall WooCommerce hold back a mail?
	 *
	 * @param bool $should_skip     WooCommerce's answer.
	 * @param int  $notification_id Whom it is for.
	 * @return bool
	 */
	public static function should_skip( $should_skip, $notification_id ) {
		if ( $should_skip || 'hold' !== Settings::get( 'dispo_core_mails' ) ) {
			return $should_skip;
		}
		$factory = '\Automattic\WooCommerce\Internal\StockNotifications\Factory';
		$one     = is_callable( array( $factory, 'get_notification' ) ) ? call_user_func( array( $factory, 'get_notification' ), (int) $notification_id ) : null;
		$id      = is_object( $one ) && method_exists( $one, 'get_product_id' ) ? (int) $one->get_product_id() : 0;
		$product = $id ? wc_get_product( $id ) : null;
		return $product ? self::is_known( $product ) : $should_skip;
	}

	/**
	 * Does Dispo know this product, or one of its variations?
	 *
	 * @param mixed $product The product.
	 * @return bool
	 */
	private static function is_known( $product ) {
		if ( ! $product instanceof \WC_Product ) {
			return false;
		}
		foreach ( array_merge( array( $product->get_id() ), $product->is_type( 'variable' ) ? $product->get_children() : array() ) as $id ) {
			list( , $written ) = Facts::written( $id );
			if ( null !== $written ) {
				return true;
			}
		}
		return false;
	}
}
