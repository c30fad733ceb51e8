<?php
/**
 * What the shop's administrator chose.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * Reads the options; each has a default, so that a missing one means something.
 */
final class Settings {

	const DEFAULTS = array(
		'dispo_server'       => '',
		'dispo_key'          => '',
		'dispo_secret'       => '',
		'dispo_badge'        => 'yes',
		'dispo_badge_loop'   => 'no',
		'dispo_colors'       => 'dispo',
		'dispo_form'         => 'yes',
		'dispo_units'        => 'no',
		'dispo_title'        => '',
		'dispo_button'       => '',
		'dispo_seller'       => '',
		'dispo_privacy'      => '',
		'dispo_check'        => 'yes',
		'dispo_core_form'    => 'hide',
		'dispo_core_mails'   => 'send',
	);

	/**
	 * One option as text.
	 *
	 * @param string $name Its name, a key of DEFAULTS.
	 * @return string
	 */
	public static function get( $name ) {
		$value = get_option( $name, self::DEFAULTS[ $name ] );
		return is_string( $value ) ? trim( $value ) : self::DEFAULTS[ $name ];
	}

	/**
	 * Is a checkbox ticked?
	 *
	 * @param string $name Its name, a key of DEFAULTS.
	 * @return bool
	 */
	public static function is_on( $name ) {
		return 'yes' === self::get( $name );
	}

	/**
	 * Dispo's address without a slash at its end, '' when it is none that can be called.
	 *
	 * @return string
	 */
	public static function server() {
		return self::clean_server( self::get( 'dispo_server' ) );
	}

	/**
	 * The public key of the store's connection, '' when it is missing or not one.
	 *
	 * @return string
	 */
	public static function key() {
		return self::clean_key( self::get( 'dispo_key' ) );
	}

	/**
	 * The secret that only Dispo and this shop know, '' before Dispo told it.
	 *
	 * @return string
	 */
	public static function secret() {
		return self::clean_secret( self::get( 'dispo_secret' ) );
	}

	/**
	 * Are address and key known?
	 *
	 * @return bool
	 */
	public static function is_connected() {
		return '' !== self::server() && '' !== self::key();
	}

	/**
	 * An address as it is used: scheme, host, perhaps port and path; '' for anything else.
	 *
	 * @param mixed $address What somebody entered.
	 * @return string
	 */
	public static function clean_server( $address ) {
		$address = is_string( $address ) ? rtrim( trim( $address ), '/' ) : '';
		$parts   = wp_parse_url( $address );
		if ( ! is_array( $parts ) || empty( $parts['host'] ) || isset( $parts['user'] ) || isset( $parts['query'] ) || isset( $parts['fragment'] ) ) {
			return '';
		}
		$scheme = isset( $parts['scheme'] ) ? strtolower( $parts['scheme'] ) : '';
		return in_array( $scheme, array( 'http', 'https' ), true ) ? esc_url_raw( $address ) : '';
	}

	/**
	 * A key as it is used; '' for anything that is none.
	 *
	 * @param mixed $key What somebody entered.
	 * @return string
	 */
	public static function clean_key( $key ) {
		$key = is_string( $key ) ? trim( $key ) : '';
		return preg_match( '/^[A-Za-z0-9_-]{8,128}$/', $key ) ? $key : '';
	}

	/**
	 * A secret as it is used; '' for anything that is none.
	 *
	 * @param mixed $secret What Dispo told.
	 * @return string
	 */
	public static function clean_secret( $secret ) {
		return is_string( $secret ) && preg_match( '/^[0-9a-f]{64}$/D', $secret ) ? $secret : '';
	}
}
