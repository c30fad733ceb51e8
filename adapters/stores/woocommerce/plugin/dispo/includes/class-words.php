<?php
/**
 * The words of badge and form.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * The same words, by the same names, as Dispo's own script and pages use.
 */
final class Words {

	/**
	 * All words in the language of the page. "{n}" is a count, "{date}" a day, "{from}" and "{to}" a window
	 * of days, "{seller}" the shop's name.
	 *
	 * @return array<string, string>
	 */
	public static function all() {
		return array(
			'in_stock'           => __( 'In stock', 'dispo' ),
			'low_stock'          => __( 'Low stock', 'dispo' ),
			'low_stock_n'        => __( 'Only {n} left', 'dispo' ),
			'restocking'         => __( 'Back soon', 'dispo' ),
			'restocking_on'      => __( 'Back on {date}', 'dispo' ),
			'restocking_between' => __( 'Back between {from} and {to}', 'dispo' ),
			'preorder'           => __( 'Pre-order', 'dispo' ),
			'backorder'          => __( 'Available to order, delivered later', 'dispo' ),
			'made_to_order'      => __( 'Made to order', 'dispo' ),
			'out_of_stock'       => __( 'Out of stock', 'dispo' ),
			'discontinued'       => __( 'No longer sold', 'dispo' ),
			/* translators: {days} is a window of days like "Tue 24 – Thu 26 Nov". */
			'delivery'           => __( 'Delivery {days}', 'dispo' ),
			'title'              => __( 'Tell me when it is back', 'dispo' ),
			'email'              => __( 'E-mail address', 'dispo' ),
			'units'              => __( 'How many', 'dispo' ),
			'send'               => __( 'Notify me', 'dispo' ),
			'sending'            => __( 'Sending…', 'dispo' ),
			'consent'            => __( '{seller} may e-mail me once when this item is available again. I can end this at any time.', 'dispo' ),
			'keep'               => __( 'We keep your address until you are told, at most 12 months.', 'dispo' ),
			'privacy'            => __( 'Privacy notice', 'dispo' ),
			'bad_address'        => __( 'This does not look like an e-mail address. Please check it.', 'dispo' ),
			'down'               => __( 'We cannot save this just now. Your address stays here and we try again.', 'dispo' ),
			'failed'             => __( 'That did not work. Please reload the page and try again.', 'dispo' ),
		);
	}

	/**
	 * The words the script cannot know by itself: all of a language it does not speak, else what the
	 * administrator changed.
	 *
	 * @return array<string, string>
	 */
	public static function for_script() {
		$own = array_filter(
			array(
				'title' => Settings::get( 'dispo_title' ),
				'send'  => Settings::get( 'dispo_button' ),
			)
		);
		return in_array( self::language(), array( 'en', 'fr' ), true ) ? $own : array_merge( self::all(), $own );
	}

	/**
	 * The language of the page, two letters.
	 *
	 * @return string
	 */
	public static function language() {
		return strtolower( substr( determine_locale(), 0, 2 ) );
	}

	/**
	 * What a badge says.
	 *
	 * @param array $facts Badge facts, see Facts::of().
	 * @return string Plain text.
	 */
	public static function badge( array $facts ) {
		$words = self::all();
		$state = $facts['state'];
		if ( 'low_stock' === $state && ! empty( $facts['count'] ) ) {
			return str_replace( '{n}', (string) $facts['count'], $words['low_stock_n'] );
		}
		if ( 'restocking' !== $state || empty( $facts['restock_on'] ) ) {
			return $words[ $state ];
		}
		if ( $facts['restock_until'] > $facts['restock_on'] ) {
			$days = array(
				'{from}' => self::day( $facts['restock_on'] ),
				'{to}'   => self::day( $facts['restock_until'] ),
			);
			return strtr( $words['restocking_between'], $days );
		}
		return str_replace( '{date}', self::day( $facts['restock_on'] ), $words['restocking_on'] );
	}

	/**
	 * A day as people write it, "12 December": the day is a date and belongs to no time zone.
	 *
	 * @param string $date Like 2026-12-12.
	 * @return string
	 */
	public static function day( $date ) {
		$utc = new \DateTimeZone( 'UTC' );
		$at  = \DateTimeImmutable::createFromFormat( '!Y-m-d', $date, $utc );
		/* translators: A day of a month, in PHP's date format: "j F" is "12 December". */
		$format = 'en_US' === determine_locale() ? 'F j' : __( 'j F', 'dispo' );
		return $at ? (string) wp_date( $format, $at->getTimestamp(), $utc ) : $date;
	}
}
