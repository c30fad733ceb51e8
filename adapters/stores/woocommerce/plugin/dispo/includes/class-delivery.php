<?php
/**
 * Says before payment when an order would arrive.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * Below each line of cart and checkout, classic and blocks, and kept with the order's line. Dispo works the days
 * out; where it does not answer nothing is said.
 */
final class Delivery {

	/**
	 * Hooks in.
	 *
	 * @return void
	 */
	public static function hook() {
		add_filter( 'woocommerce_get_item_data', array( self::class, 'in_cart' ), 20, 2 );
		add_action( 'woocommerce_checkout_create_order_line_item', array( self::class, 'keep' ), 20, 3 );
	}

	/**
	 * What stands below a line of the cart.
	 *
	 * @param array $data Lines of the theme: key and value.
	 * @param array $line The line of the cart.
	 * @return array
	 */
	public static function in_cart( $data, $line ) {
		$days = self::days( isset( $line['data'] ) ? $line['data'] : null );
		if ( is_array( $data ) && '' !== $days ) {
			$data[] = array(
				'key'   => __( 'Delivery', 'dispo' ),
				'value' => $days,
			);
		}
		return $data;
	}

	/**
	 * Keeps with an order's line what the shopper was shown.
	 *
	 * @param \WC_Order_Item_Product $item The line of the order.
	 * @param string                 $key  The key of the cart's line.
	 * @param array                  $line The cart's line.
	 * @return void
	 */
	public static function keep( $item, $key, $line ) {
		$days = self::days( isset( $line['data'] ) ? $line['data'] : null );
		if ( '' !== $days ) {
			$item->add_meta_data( __( 'Delivery', 'dispo' ), $days, true );
		}
	}

	/**
	 * The days on which an item of the cart would arrive, in words; '' where nobody says.
	 *
	 * @param mixed $product The item.
	 * @return string Like "24 November – 26 November".
	 */
	private static function days( $product ) {
		if ( ! $product instanceof \WC_Product || ! WC()->cart ) {
			return '';
		}
		list( $id, $written ) = Facts::written( $product->get_id() );
		if ( null === $written || ! $product->is_in_stock() ) {
			return '';
		}
		$live = Live_Check::facts( WC()->cart );
		$days = isset( $live[ $id ]['delivery'] ) && is_array( $live[ $id ]['delivery'] ) ? array_values( $live[ $id ]['delivery'] ) : array();
		if ( 2 !== count( $days ) || ! is_string( $days[0] ) || ! is_string( $days[1] ) || '' === Facts::date( $days[0] ) || '' === Facts::date( $days[1] ) ) {
			return '';
		}
		return $days[0] === $days[1] ? Words::day( $days[0] ) : Words::day( $days[0] ) . ' – ' . Words::day( $days[1] );
	}
}
