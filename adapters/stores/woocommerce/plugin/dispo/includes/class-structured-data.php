<?php
/**
 * What search engines read.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * Merges availability and restock date into the structured data that WooCommerce writes.
 */
final class Structured_Data {

	const SCHEMA = array(
		'low_stock'     => 'LimitedAvailability',
		'preorder'      => 'PreOrder',
		'backorder'     => 'BackOrder',
		'made_to_order' => 'MadeToOrder',
	);

	/**
	 * Hooks in.
	 *
	 * @return void
	 */
	public static function hook() {
		add_filter( 'woocommerce_structured_data_product_offer', array( self::class, 'offer' ), 20, 2 );
	}

	/**
	 * The offer with Dispo's availability.
	 *
	 * @param array       $offer   WooCommerce's offer.
	 * @param \WC_Product $product The product of the page.
	 * @return array
	 */
	public static function offer( $offer, $product ) {
		if ( ! is_array( $offer ) || ! $product instanceof \WC_Product ) {
			return $offer;
		}
		$best   = null;
		$starts = '';
		foreach ( self::items( $product ) as $item ) {
			$facts = Facts::of( $item );
			if ( ! $facts ) {
				// Of a product that Dispo knows in part only, WooCommerce's word for the whole stands.
				return $offer;
			}
			$word = self::word( $facts['state'], $item->is_in_stock() );
			$rank = self::rank( $word );
			if ( null === $best || $rank < self::rank( $best ) ) {
				$best = $word;
			}
			if ( $facts['restock_on'] && ( '' === $starts || $facts['restock_on'] < $starts ) ) {
				$starts = $facts['restock_on'];
			}
		}
		if ( null === $best ) {
			return $offer;
		}
		$offer['availability'] = 'https://schema.org/' . $best;
		unset( $offer['availabilityStarts'] );
		if ( 'OutOfStock' === $best && '' !== $starts ) {
			$offer['availabilityStarts'] = $starts;
		}
		return $offer;
	}

	/**
	 * What a shopper can choose from.
	 *
	 * @param \WC_Product $product The product of the page.
	 * @return \WC_Product[]
	 */
	private static function items( \WC_Product $product ) {
		if ( ! $product->is_type( 'variable' ) ) {
			return $product->is_type( 'grouped' ) ? array() : array( $product );
		}
		return array_filter( array_map( 'wc_get_product', $product->get_children() ) );
	}

	/**
	 * The word of schema.org for what the shopper meets when pressing "buy".
	 *
	 * @param string $state       Badge state.
	 * @param bool   $can_be_bought What the shop says.
	 * @return string
	 */
	private static function word( $state, $can_be_bought ) {
		if ( 'discontinued' === $state ) {
			return 'Discontinued';
		}
		if ( ! $can_be_bought ) {
			return 'OutOfStock';
		}
		return isset( self::SCHEMA[ $state ] ) ? self::SCHEMA[ $state ] : 'InStock';
	}

	/**
	 * From best to worst.
	 *
	 * @param string $word A word of schema.org.
	 * @return int
	 */
	private static function rank( $word ) {
		return (int) array_search( $word, array( 'InStock', 'LimitedAvailability', 'MadeToOrder', 'PreOrder', 'BackOrder', 'OutOfStock', 'Discontinued' ), true );
	}
}
