<?php
/**
 * What a product page may say of an item.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * Dispo's badge facts, corrected by what the shop itself says now. Dispo decides; the shop has the last
 * word where it is worse: what cannot be bought is never shown as in stock, a count is never above the
 * shop's own number, and a date in the past is never shown.
 */
final class Facts {

	const KEYS    = array( '_dispo_state', '_dispo_count', '_dispo_restock_on', '_dispo_restock_until' );
	const STATES  = array( 'in_stock', 'low_stock', 'restocking', 'preorder', 'backorder', 'made_to_order', 'out_of_stock', 'discontinued' );
	const BUYABLE = array( 'in_stock', 'low_stock', 'made_to_order', 'preorder', 'backorder' );
	const ASKS    = array( 'restocking', 'out_of_stock' );

	/**
	 * The facts to show for a product or variation.
	 *
	 * @param \WC_Product $product The item.
	 * @return array|null With id (the item Dispo knows), state, count, restock_on and restock_until ('' or 0
	 *                    when not shown); null where Dispo said nothing or nothing may be said.
	 */
	public static function of( \WC_Product $product ) {
		list( $id, $written ) = self::written( $product->get_id() );
		if ( null === $written ) {
			return null;
		}
		$state        = $written['state'];
		$is_in_stock  = $product->is_in_stock();
		$is_buyable   = in_array( $state, self::BUYABLE, true );
		if ( ! $is_in_stock && $is_buyable ) {
			$state = 'out_of_stock';
		} elseif ( $is_in_stock && $is_buyable && ! $product->is_purchasable() ) {
			// In stock and not for sale, as in a catalogue without prices: there is nothing to promise.
			return null;
		} elseif ( $is_in_stock && in_array( $state, self::ASKS, true ) ) {
			// The number was raised and the badge is still on its way.
			$state = $product->is_on_backorder( 1 ) ? 'backorder' : 'in_stock';
		}
		$count = 'low_stock' === $state ? $written['count'] : 0;
		if ( $count && $product->managing_stock() ) {
			$count = min( $count, max( 0, (int) floor( (float) $product->get_stock_quantity() ) ) );
		}
		$until    = $written['restock_until'] ? $written['restock_until'] : $written['restock_on'];
		$is_dated = 'restocking' === $state && $written['restock_on'] && $until >= current_time( 'Y-m-d' );
		return array(
			'id'            => $id,
			'state'         => $state,
			'count'         => $count,
			'restock_on'    => $is_dated ? $written['restock_on'] : '',
			'restock_until' => $is_dated ? $until : '',
		);
	}

	/**
	 * The facts by the names the script knows, without what is not shown.
	 *
	 * @param array $facts See of().
	 * @return array
	 */
	public static function for_script( array $facts ) {
		unset( $facts['id'] );
		return array_filter( $facts );
	}

	/**
	 * What Dispo wrote for an item: on itself, else on a translated twin, which is the same article.
	 *
	 * @param int $id Product or variation.
	 * @return array The id that carries the facts, and the facts or null.
	 */
	public static function written( $id ) {
		$own = self::meta( $id );
		if ( null !== $own ) {
			return array( $id, $own );
		}
		foreach ( Twins::of( $id ) as $twin ) {
			$facts = self::meta( $twin );
			if ( null !== $facts ) {
				return array( $twin, $facts );
			}
		}
		return array( $id, null );
	}

	/**
	 * The facts kept on one item. Read past the product object, which may be a cached one.
	 *
	 * @param int $id Product or variation.
	 * @return array|null
	 */
	private static function meta( $id ) {
		$state = self::text( $id, '_dispo_state' );
		if ( ! in_array( $state, self::STATES, true ) ) {
			return null;
		}
		$count = self::text( $id, '_dispo_count' );
		return array(
			'state'         => $state,
			'count'         => ctype_digit( $count ) ? (int) $count : 0,
			'restock_on'    => self::date( self::text( $id, '_dispo_restock_on' ) ),
			'restock_until' => self::date( self::text( $id, '_dispo_restock_until' ) ),
		);
	}

	/**
	 * One meta value as text.
	 *
	 * @param int    $id  Product or variation.
	 * @param string $key Meta key.
	 * @return string
	 */
	private static function text( $id, $key ) {
		$value = get_post_meta( $id, $key, true );
		return is_scalar( $value ) ? (string) $value : '';
	}

	/**
	 * A real date like 2026-12-12, else ''.
	 *
	 * @param string $text What was written.
	 * @return string
	 */
	public static function date( $text ) {
		$is_date = preg_match( '/^(\d{4})-(\d\d)-(\d\d)$/D', $text, $part );
		return $is_date && checkdate( (int) $part[2], (int) $part[3], (int) $part[1] ) ? $text : '';
	}
}
