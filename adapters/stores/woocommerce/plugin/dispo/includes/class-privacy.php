<?php
/**
 * What the shop's privacy policy has to say.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * This plugin keeps nothing about shoppers in WordPress: the form goes from the browser straight to Dispo. What
 * Dispo keeps is exported and erased through WordPress's own tools too: see Personal_Data.
 */
final class Privacy {

	/**
	 * Hooks in.
	 *
	 * @return void
	 */
	public static function hook() {
		add_action( 'admin_init', array( self::class, 'policy' ) );
	}

	/**
	 * Offers the text to the shop's policy page.
	 *
	 * @return void
	 */
	public static function policy() {
		if ( ! function_exists( 'wp_add_privacy_policy_content' ) ) {
			return;
		}
		$sentences = array(
			__( 'When you ask to be told that an item is back, your browser sends your e-mail address, the item, the quantity you want and your language to Dispo, the service that keeps this list for us. Your IP address is used to limit abuse and is not kept with your sign-up.', 'dispo' ),
			__( 'Dispo keeps your address until you were told, at most 12 months; an address that is never confirmed is deleted after 7 days. Every message has a link to end it, to see what is kept and to erase it.', 'dispo' ),
			__( 'While you look at a product page your browser asks Dispo whether the item is available. This sets no cookie and names nobody, but your IP address reaches Dispo\'s server as with every request.', 'dispo' ),
			__( 'At checkout this shop asks Dispo whether the items in your cart are available. Only the numbers of the items are sent.', 'dispo' ),
			__( 'This website itself keeps none of it. When you ask us for your data, or to erase it, we ask Dispo too; the link in any message does the same at once.', 'dispo' ),
		);
		$server    = Settings::server();
		if ( '' !== $server ) {
			/* translators: %s: a web address. */
			$sentences[] = sprintf( __( 'Dispo runs at %s.', 'dispo' ), $server );
		}
		wp_add_privacy_policy_content( 'Dispo', wp_kses_post( wpautop( implode( "\n\n", array_map( 'esc_html', $sentences ) ) ) ) );
	}
}
