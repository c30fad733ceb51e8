<?php
/**
 * Plugin Name: Dispo – Availability, restock dates and back in stock alerts
 * Plugin URI: https://wordpress.org/plugins/dispo/
 * Description: Shows Dispo's availability badge, restock date and "notify me" form on product pages, and lets Dispo write stock without overwriting a sale.
 * Version: 1.0.0
 * Requires at least: 6.2
 * Requires PHP: 7.4
 * Requires Plugins: woocommerce
 * WC requires at least: 8.2
 * WC tested up to: 10.2
 * Author: Dispo
 * License: GPLv2 or later
 * License URI: https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain: dispo
 * Domain Path: /languages
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

const VERSION = '1.0.0';
const FILE    = __FILE__;

// One class a file, named class-<name>.php as WordPress names them.
spl_autoload_register(
	static function ( $class_name ) {
		if ( 0 === strpos( $class_name, 'Dispo\\' ) ) {
			$name = strtolower( str_replace( '_', '-', substr( $class_name, 6 ) ) );
			$path = __DIR__ . '/includes/class-' . $name . '.php';
			if ( is_readable( $path ) ) {
				require_once $path;
			}
		}
	}
);

// Shops may keep orders in their own tables and use the checkout block: this plugin minds neither.
add_action(
	'before_woocommerce_init',
	static function () {
		if ( class_exists( '\Automattic\WooCommerce\Utilities\FeaturesUtil' ) ) {
			foreach ( array( 'custom_order_tables', 'cart_checkout_blocks', 'product_block_editor' ) as $feature ) {
				\Automattic\WooCommerce\Utilities\FeaturesUtil::declare_compatibility( $feature, FILE, true );
			}
		}
	}
);

add_action( 'plugins_loaded', array( Plugin::class, 'start' ), 20 );
