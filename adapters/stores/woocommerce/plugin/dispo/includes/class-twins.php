<?php
/**
 * Translated twins of a product.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * WPML and Polylang keep one product a language. They are one article with one stock and one badge.
 */
final class Twins {

	/**
	 * The other translations of a product or variation.
	 *
	 * @param int $id Product or variation.
	 * @return int[] Without $id; empty without a translation plugin.
	 */
	public static function of( $id ) {
		$type  = (string) get_post_type( $id );
		$twins = array();
		if ( function_exists( 'pll_get_post_translations' ) ) {
			$twins = (array) pll_get_post_translations( $id );
		} elseif ( has_filter( 'wpml_element_trid' ) ) {
			$trid = apply_filters( 'wpml_element_trid', null, $id, 'post_' . $type ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound -- WPML's.
			$rows = $trid ? apply_filters( 'wpml_get_element_translations', null, $trid, 'post_' . $type ) : array(); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound -- WPML's.
			foreach ( is_array( $rows ) ? $rows : array() as $row ) {
				$twins[] = isset( $row->element_id ) ? $row->element_id : 0;
			}
		}
		/**
		 * Lets another translation plugin name the twins.
		 *
		 * @param int[] $twins Ids of the translations.
		 * @param int   $id    The product or variation.
		 */
		$twins = (array) apply_filters( 'dispo_twins', $twins, $id );
		return array_values( array_diff( array_unique( array_filter( array_map( 'absint', $twins ) ) ), array( $id ) ) );
	}
}
