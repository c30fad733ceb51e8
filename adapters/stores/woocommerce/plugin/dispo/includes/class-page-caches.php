<?php
/**
 * Makes page caches show a new badge.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * A page cache learns of a changed product when WordPress saves it, not when a badge is written. So the
 * pages of products whose badge changed are purged, once at the end of the request.
 */
final class Page_Caches {

	/**
	 * Items whose badge changed in this request.
	 *
	 * @var array<int, true>
	 */
	private static $changed = array();

	/**
	 * Hooks in.
	 *
	 * @return void
	 */
	public static function hook() {
		foreach ( array( 'added_post_meta', 'updated_post_meta', 'deleted_post_meta' ) as $event ) {
			add_action( $event, array( self::class, 'note' ), 10, 3 );
		}
		add_action( 'shutdown', array( self::class, 'purge' ) );
	}

	/**
	 * Some meta of some post changed.
	 *
	 * @param int|int[] $meta_id Its row.
	 * @param int       $post_id The post.
	 * @param string    $key     Meta key.
	 * @return void
	 */
	public static function note( $meta_id, $post_id, $key ) {
		if ( in_array( $key, Facts::KEYS, true ) ) {
			self::$changed[ (int) $post_id ] = true;
			Storefront::forget();
		}
	}

	/**
	 * Purges the pages of what changed, and of its translated twins.
	 *
	 * @return void
	 */
	public static function purge() {
		$pages = array();
		foreach ( array_keys( self::$changed ) as $id ) {
			foreach ( array_merge( array( $id ), Twins::of( $id ) ) as $item ) {
				$parent                              = wp_get_post_parent_id( $item );
				$pages[ $parent ? $parent : $item ] = true;
			}
		}
		self::$changed = array();
		foreach ( array_keys( $pages ) as $page ) {
			self::purge_page( $page );
		}
	}

	/**
	 * Tells each known cache.
	 *
	 * @param int $id The product whose page it is.
	 * @return void
	 */
	private static function purge_page( $id ) {
		// WordPress's own word for it, which hosts' caches listen to.
		clean_post_cache( $id );
		$functions = array(
			'rocket_clean_post',          // WP Rocket.
			'w3tc_flush_post',            // W3 Total Cache.
			'wpsc_delete_post_cache',     // WP Super Cache.
			'wpfc_clear_post_cache_by_id', // WP Fastest Cache.
		);
		foreach ( $functions as $function ) {
			if ( function_exists( $function ) ) {
				call_user_func( $function, $id );
			}
		}
		$url = get_permalink( $id );
		if ( $url && function_exists( 'sg_cachepress_purge_cache' ) ) {
			sg_cachepress_purge_cache( $url ); // SiteGround.
		}
		if ( class_exists( '\WPO_Page_Cache' ) && is_callable( array( '\WPO_Page_Cache', 'delete_single_post_cache' ) ) ) {
			\WPO_Page_Cache::delete_single_post_cache( $id ); // WP-Optimize.
		}
		// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals.NonPrefixedHooknameFound -- theirs.
		do_action( 'litespeed_purge_post', $id );
		do_action( 'cache_enabler_clear_page_cache_by_post', $id );
		do_action( 'wphb_clear_page_cache', $id );
		// phpcs:enable
		/**
		 * Lets any other cache purge the page of a product whose badge changed.
		 *
		 * @param int $id The product.
		 */
		do_action( 'dispo_purge_page', $id );
	}
}
