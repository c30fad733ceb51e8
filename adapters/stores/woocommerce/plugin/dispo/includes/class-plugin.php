<?php
/**
 * Starts the parts.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * Hooks everything up. Without WooCommerce nothing is, and the administrator is told.
 */
final class Plugin {

	/**
	 * Runs on plugins_loaded.
	 *
	 * @return void
	 */
	public static function start() {
		add_action( 'init', array( self::class, 'load_words' ), 1 );
		if ( ! function_exists( 'WC' ) ) {
			add_action( 'admin_notices', array( Admin::class, 'needs_woocommerce' ) );
			return;
		}
		Rest::hook();
		Storefront::hook();
		Structured_Data::hook();
		Live_Check::hook();
		Delivery::hook();
		Page_Caches::hook();
		Core_Notifications::hook();
		Privacy::hook();
		Personal_Data::hook();
		if ( is_admin() ) {
			Admin::hook();
		}
	}

	/**
	 * Loads the translations that came with the plugin; those of wordpress.org have precedence. A country
	 * without words of its own takes those of its language: fr_CA those of fr_FR.
	 *
	 * @return void
	 */
	public static function load_words() {
		load_plugin_textdomain( 'dispo', false, dirname( plugin_basename( FILE ) ) . '/languages' );
		$language = substr( determine_locale(), 0, 2 );
		if ( 'en' === $language || is_textdomain_loaded( 'dispo' ) ) {
			return;
		}
		$found = glob( plugin_dir_path( FILE ) . 'languages/dispo-' . $language . '*.mo' );
		if ( $found ) {
			load_textdomain( 'dispo', $found[0] );
		}
	}
}
