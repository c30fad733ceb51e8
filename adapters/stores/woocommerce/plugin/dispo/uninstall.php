<?php
/**
 * Cleans up when the plugin is deleted: options, badge facts and short-lived answers. Stock numbers stay.
 *
 * @package Dispo
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

/**
 * Cleans one site.
 *
 * @return void
 */
function dispo_clean_site() {
	global $wpdb;
	$options = array( 'server', 'key', 'secret', 'badge', 'badge_loop', 'colors', 'form', 'units', 'title', 'button', 'seller', 'privacy', 'check', 'core_form', 'core_mails' );
	foreach ( $options as $name ) {
		delete_option( 'dispo_' . $name );
	}
	foreach ( array( '_dispo_state', '_dispo_count', '_dispo_restock_on', '_dispo_restock_until' ) as $key ) {
		delete_post_meta_by_key( $key );
	}
	delete_transient( 'dispo_trouble' );
	// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- there is no other way to delete transients by their beginning.
	$wpdb->query( $wpdb->prepare( "DELETE FROM {$wpdb->options} WHERE option_name LIKE %s OR option_name LIKE %s", $wpdb->esc_like( '_transient_dispo_live_' ) . '%', $wpdb->esc_like( '_transient_timeout_dispo_live_' ) . '%' ) );
}

if ( is_multisite() ) {
	foreach ( get_sites(
		array(
			'fields' => 'ids',
			'number' => 0,
		)
	) as $dispo_site ) {
		switch_to_blog( $dispo_site );
		dispo_clean_site();
		restore_current_blog();
	}
} else {
	dispo_clean_site();
}
