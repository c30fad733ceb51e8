<?php
/**
 * What the administrator sees.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * A tab under WooCommerce > Settings, and a notice until Dispo is connected.
 */
final class Admin {

	/**
	 * Hooks in.
	 *
	 * @return void
	 */
	public static function hook() {
		add_filter( 'woocommerce_settings_tabs_array', array( self::class, 'tab' ), 60 );
		add_action( 'woocommerce_settings_dispo', array( self::class, 'show' ) );
		add_action( 'woocommerce_update_options_dispo', array( self::class, 'save' ) );
		add_filter( 'woocommerce_admin_settings_sanitize_option_dispo_server', array( self::class, 'clean_server' ), 10, 3 );
		add_filter( 'woocommerce_admin_settings_sanitize_option_dispo_key', array( self::class, 'clean_key' ), 10, 3 );
		add_action( 'admin_notices', array( self::class, 'not_connected' ) );
		add_filter( 'plugin_action_links_' . plugin_basename( FILE ), array( self::class, 'links' ) );
	}

	/**
	 * The address of the tab.
	 *
	 * @return string
	 */
	private static function url() {
		return admin_url( 'admin.php?page=wc-settings&tab=dispo' );
	}

	/**
	 * Adds the tab.
	 *
	 * @param array $tabs The tabs by id.
	 * @return array
	 */
	public static function tab( $tabs ) {
		return $tabs + array( 'dispo' => 'Dispo' );
	}

	/**
	 * Shows the tab.
	 *
	 * @return void
	 */
	public static function show() {
		if ( Settings::is_connected() ) {
			list( $is_well, $words ) = self::probe();
			echo '<div class="notice inline ' . ( $is_well ? 'notice-success' : 'notice-warning' ) . '"><p>' . esc_html( $words ) . '</p></div>';
		}
		woocommerce_admin_fields( self::fields() );
	}

	/**
	 * Saves the tab; WooCommerce has checked rights and nonce.
	 *
	 * @return void
	 */
	public static function save() {
		woocommerce_update_options( self::fields() );
		Live_Check::forget_trouble();
	}

	/**
	 * An address that cannot be one is refused with a word, and the old one stays.
	 *
	 * @param mixed $value  Cleaned by WooCommerce.
	 * @param array $option The field.
	 * @param mixed $raw    As entered.
	 * @return string
	 */
	public static function clean_server( $value, $option, $raw ) {
		$clean = Settings::clean_server( $raw );
		if ( '' === $clean && '' !== trim( (string) $raw ) ) {
			\WC_Admin_Settings::add_error( __( 'Dispo\'s address is not a web address. Enter it like https://dispo.example.', 'dispo' ) );
			return Settings::get( 'dispo_server' );
		}
		return $clean;
	}

	/**
	 * A key that cannot be one is refused with a word, and the old one stays.
	 *
	 * @param mixed $value  Cleaned by WooCommerce.
	 * @param array $option The field.
	 * @param mixed $raw    As entered.
	 * @return string
	 */
	public static function clean_key( $value, $option, $raw ) {
		$clean = Settings::clean_key( $raw );
		if ( '' === $clean && '' !== trim( (string) $raw ) ) {
			\WC_Admin_Settings::add_error( __( 'The store key has letters, digits, - and _ only. Copy it from Dispo again.', 'dispo' ) );
			return Settings::get( 'dispo_key' );
		}
		return $clean;
	}

	/**
	 * Asks Dispo whether it knows the key.
	 *
	 * @return array Whether all is well, and a sentence.
	 */
	private static function probe() {
		$answer = wp_remote_get(
			Settings::server() . '/s/' . Settings::key() . '/availability?ids=',
			array(
				'timeout'     => 5,
				'redirection' => 0,
			)
		);
		if ( is_wp_error( $answer ) ) {
			/* translators: %s: what went wrong. */
			return array( false, sprintf( __( 'Dispo does not answer at this address (%s). Badges stay as they are; sign-ups wait in the shopper\'s browser.', 'dispo' ), $answer->get_error_message() ) );
		}
		$status = (int) wp_remote_retrieve_response_code( $answer );
		if ( 200 === $status ) {
			return array( true, __( 'Connected: Dispo answers and knows this shop.', 'dispo' ) );
		}
		if ( 404 === $status ) {
			return array( false, __( 'Dispo answers but does not know this store key. Copy it from Dispo again.', 'dispo' ) );
		}
		/* translators: %d: an HTTP status. */
		return array( false, sprintf( __( 'Dispo answers with HTTP %d. Check the address.', 'dispo' ), $status ) );
	}

	/**
	 * The settings.
	 *
	 * @return array
	 */
	private static function fields() {
		$fields = array(
			self::title( __( 'Connection', 'dispo' ), __( 'Dispo fills this in by itself when it connects to your shop. You may also copy both values from Dispo.', 'dispo' ), 'connection' ),
			self::field( 'dispo_server', 'text', __( 'Dispo\'s address', 'dispo' ), __( 'For example https://dispo.example', 'dispo' ) ),
			self::field( 'dispo_key', 'text', __( 'Store key', 'dispo' ), __( 'The public key of this shop in Dispo. It is no secret: it stands in every product page.', 'dispo' ) ),
			self::end( 'connection' ),
			self::title( __( 'Product pages', 'dispo' ), '', 'pages' ),
			self::field( 'dispo_badge', 'checkbox', __( 'Badge', 'dispo' ), __( 'Show availability and restock date on product pages', 'dispo' ) ),
			self::field( 'dispo_badge_loop', 'checkbox', __( 'Lists', 'dispo' ), __( 'Show the badge in lists of products too (classic themes)', 'dispo' ) ),
			self::choice(
				'dispo_colors',
				__( 'Colours', 'dispo' ),
				array(
					'dispo' => __( 'A coloured dot before the theme\'s own text colour', 'dispo' ),
					'theme' => __( 'The theme\'s own colours for in stock and out of stock', 'dispo' ),
				)
			),
			self::field( 'dispo_form', 'checkbox', __( 'Form', 'dispo' ), __( 'Let shoppers ask to be told when an item is back', 'dispo' ) ),
			self::field( 'dispo_units', 'checkbox', __( 'Quantity', 'dispo' ), __( 'Ask how many they want', 'dispo' ) ),
			self::field( 'dispo_title', 'text', __( 'Title of the form', 'dispo' ), __( 'Empty: in the shopper\'s language', 'dispo' ) ),
			self::field( 'dispo_button', 'text', __( 'Words on the button', 'dispo' ), __( 'Empty: in the shopper\'s language', 'dispo' ) ),
			self::field( 'dispo_seller', 'text', __( 'Name in the consent', 'dispo' ), __( 'Empty: the name of this site. Use the same name as in Dispo.', 'dispo' ) ),
			self::field( 'dispo_privacy', 'url', __( 'Privacy notice', 'dispo' ), __( 'Empty: the privacy policy page of this site', 'dispo' ) ),
			self::end( 'pages' ),
			self::title( __( 'Cart and checkout', 'dispo' ), '', 'checkout' ),
			self::field( 'dispo_check', 'checkbox', __( 'Live check', 'dispo' ), __( 'Ask Dispo in cart and checkout whether the items are still available. When Dispo does not answer within 1.5 seconds the sale goes on.', 'dispo' ) ),
			self::end( 'checkout' ),
			self::title( __( 'WooCommerce\'s own stock notifications', 'dispo' ), __( 'Only for shops where that feature of WooCommerce is on.', 'dispo' ), 'core' ),
			self::choice(
				'dispo_core_form',
				__( 'Its form', 'dispo' ),
				array(
					'hide' => __( 'Hide it where Dispo shows its own', 'dispo' ),
					'show' => __( 'Leave it visible', 'dispo' ),
				)
			),
			self::choice(
				'dispo_core_mails',
				__( 'Its mails', 'dispo' ),
				array(
					'send' => __( 'Send them: who signed up there is told by WooCommerce', 'dispo' ),
					'hold' => __( 'Hold them: I have moved that list to Dispo', 'dispo' ),
				)
			),
			self::end( 'core' ),
		);
		return $fields;
	}

	/**
	 * A field.
	 *
	 * @param string $id    The option.
	 * @param string $type  WooCommerce's type.
	 * @param string $title Its name.
	 * @param string $words What it does.
	 * @return array
	 */
	private static function field( $id, $type, $title, $words ) {
		return array(
			'id'       => $id,
			'type'     => $type,
			'title'    => $title,
			'desc'     => $words,
			'desc_tip' => false,
			'default'  => Settings::DEFAULTS[ $id ],
			'autoload' => true,
		);
	}

	/**
	 * A choice of several.
	 *
	 * @param string                $id      The option.
	 * @param string                $title   Its name.
	 * @param array<string, string> $options Words by value.
	 * @return array
	 */
	private static function choice( $id, $title, array $options ) {
		return array( 'options' => $options ) + self::field( $id, 'select', $title, '' );
	}

	/**
	 * A heading.
	 *
	 * @param string $title Its words.
	 * @param string $words Below it.
	 * @param string $id    Its id.
	 * @return array
	 */
	private static function title( $title, $words, $id ) {
		return array(
			'id'    => 'dispo_section_' . $id,
			'type'  => 'title',
			'title' => $title,
			'desc'  => $words,
		);
	}

	/**
	 * The end below a heading.
	 *
	 * @param string $id Its id.
	 * @return array
	 */
	private static function end( $id ) {
		return array(
			'id'   => 'dispo_section_' . $id,
			'type' => 'sectionend',
		);
	}

	/**
	 * The notice until Dispo is connected, where shop managers look.
	 *
	 * @return void
	 */
	public static function not_connected() {
		if ( Settings::is_connected() || ! current_user_can( 'manage_woocommerce' ) ) {
			return;
		}
		$screen = get_current_screen();
		$places = array( 'plugins', 'dashboard', 'edit-product', 'woocommerce_page_wc-settings' );
		if ( ! $screen || ! in_array( $screen->id, $places, true ) ) {
			return;
		}
		echo '<div class="notice notice-warning"><p>' . esc_html__( 'Dispo is not connected yet: badges show what Dispo has written, but nobody can ask to be told.', 'dispo' )
			. ' <a href="' . esc_url( self::url() ) . '">' . esc_html__( 'Connect Dispo', 'dispo' ) . '</a></p></div>';
	}

	/**
	 * The notice where WooCommerce is missing.
	 *
	 * @return void
	 */
	public static function needs_woocommerce() {
		if ( current_user_can( 'activate_plugins' ) ) {
			echo '<div class="notice notice-warning"><p>' . esc_html__( 'Dispo needs WooCommerce. Install and activate it first.', 'dispo' ) . '</p></div>';
		}
	}

	/**
	 * A link to the settings in the list of plugins.
	 *
	 * @param string[] $links The links.
	 * @return string[]
	 */
	public static function links( $links ) {
		return array_merge( array( 'settings' => '<a href="' . esc_url( self::url() ) . '">' . esc_html__( 'Settings', 'dispo' ) . '</a>' ), $links );
	}
}
