<?php
/**
 * WordPress's tools for exporting and erasing personal data.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * This plugin keeps nothing about shoppers in WordPress: who waits for what is kept by Dispo. So Dispo is
 * asked, with a signature only this shop and Dispo can make. While Dispo does not answer an export fails and
 * an erasure says that something was retained: never "nothing found".
 */
final class Personal_Data {

	const TIMEOUT_S = 10;
	const ID        = 'dispo';

	/**
	 * Hooks in. Without a connection there is nothing that could be asked for.
	 *
	 * @return void
	 */
	public static function hook() {
		add_filter( 'wp_privacy_personal_data_exporters', array( self::class, 'exporters' ) );
		add_filter( 'wp_privacy_personal_data_erasers', array( self::class, 'erasers' ) );
	}

	/**
	 * Adds our exporter.
	 *
	 * @param array $exporters Those of WordPress and other plugins.
	 * @return array
	 */
	public static function exporters( $exporters ) {
		if ( Settings::is_connected() ) {
			$exporters[ self::ID ] = array(
				'exporter_friendly_name' => __( 'Dispo: told when an item is back', 'dispo' ),
				'callback'               => array( self::class, 'export' ),
			);
		}
		return $exporters;
	}

	/**
	 * Adds our eraser.
	 *
	 * @param array $erasers Those of WordPress and other plugins.
	 * @return array
	 */
	public static function erasers( $erasers ) {
		if ( Settings::is_connected() ) {
			$erasers[ self::ID ] = array(
				'eraser_friendly_name' => __( 'Dispo: told when an item is back', 'dispo' ),
				'callback'             => array( self::class, 'erase' ),
			);
		}
		return $erasers;
	}

	/**
	 * One page of what Dispo keeps about an address in this shop.
	 *
	 * @param string $email The address.
	 * @param int    $page  From 1.
	 * @return array|\WP_Error 'data' and 'done'; an error stops the export and is shown.
	 */
	public static function export( $email, $page = 1 ) {
		$found = self::ask( 'export', $email, (int) $page );
		if ( is_wp_error( $found ) ) {
			return $found;
		}
		if ( ! isset( $found['items'], $found['messages'], $found['done'] ) || ! is_array( $found['items'] ) || ! is_array( $found['messages'] ) ) {
			return self::failed( __( 'Dispo\'s answer cannot be read.', 'dispo' ) );
		}
		$data = array();
		foreach ( $found['items'] as $item ) {
			$data[] = array(
				'group_id'          => 'dispo-sign-ups',
				'group_label'       => __( 'Asked to be told', 'dispo' ),
				'group_description' => __( 'Items this person asked to be told about when they are back, kept by Dispo.', 'dispo' ),
				'item_id'           => 'dispo-sign-up-' . self::text( $item, 'id' ),
				'data'              => self::rows(
					$item,
					array(
						'item'         => __( 'Item', 'dispo' ),
						'address'      => __( 'Address', 'dispo' ),
						'wanted_units' => __( 'Wanted quantity', 'dispo' ),
						'locale'       => __( 'Language', 'dispo' ),
						'status'       => __( 'Status', 'dispo' ),
						'consent_text' => __( 'Consent', 'dispo' ),
						'created_at'   => __( 'Signed up on', 'dispo' ),
						'confirmed_at' => __( 'Confirmed', 'dispo' ),
						'ended_at'     => __( 'Ended', 'dispo' ),
					)
				),
			);
		}
		foreach ( $found['messages'] as $message ) {
			$data[] = array(
				'group_id'          => 'dispo-messages',
				'group_label'       => __( 'Messages by Dispo', 'dispo' ),
				'group_description' => __( 'Messages Dispo sent, or is about to send, because of these sign-ups.', 'dispo' ),
				'item_id'           => 'dispo-message-' . self::text( $message, 'id' ),
				'data'              => self::rows(
					$message,
					array(
						'subject'    => __( 'Subject', 'dispo' ),
						'kind'       => __( 'Kind', 'dispo' ),
						'status'     => __( 'Status', 'dispo' ),
						'sending_at' => __( 'Sent', 'dispo' ),
					)
				),
			);
		}
		return array(
			'data' => $data,
			'done' => (bool) $found['done'],
		);
	}

	/**
	 * Has Dispo forget an address in this shop.
	 *
	 * @param string $email The address.
	 * @param int    $page  Everything is done on the first.
	 * @return array
	 */
	public static function erase( $email, $page = 1 ) {
		$found   = self::ask( 'erase', $email, 1 );
		$problem = '';
		if ( is_wp_error( $found ) ) {
			$problem = $found->get_error_message();
		} elseif ( ! isset( $found['erased'] ) || ! is_int( $found['erased'] ) ) {
			$problem = self::failed( __( 'Dispo\'s answer cannot be read.', 'dispo' ) )->get_error_message();
		}
		if ( '' !== $problem ) {
			return array(
				'items_removed'  => false,
				'items_retained' => true,
				'messages'       => array( $problem ),
				'done'           => true,
			);
		}
		$retained = ! empty( $found['retained'] );
		return array(
			'items_removed'  => $found['erased'] > 0,
			'items_retained' => $retained,
			'messages'       => $retained ? array( __( 'Dispo keeps a fingerprint of the address, from which it cannot be read, because this person asked never to be written to again.', 'dispo' ) ) : array(),
			'done'           => true,
		);
	}

	/**
	 * Asks Dispo.
	 *
	 * @param string $what  "export" or "erase".
	 * @param string $email The address.
	 * @param int    $page  From 1.
	 * @return array|\WP_Error
	 */
	private static function ask( $what, $email, $page ) {
		$secret = Settings::secret();
		if ( ! Settings::is_connected() || '' === $secret ) {
			return self::failed( __( 'Dispo has not yet told this shop how to ask it. Connect the shop in Dispo again, or look at its connection there.', 'dispo' ) );
		}
		$body   = wp_json_encode(
			array(
				'what'  => $what,
				'email' => (string) $email,
				'page'  => max( 1, $page ),
				'at'    => time(),
			)
		);
		$answer = wp_remote_post(
			Settings::server() . '/shop/' . Settings::key() . '/people',
			array(
				'timeout'             => self::TIMEOUT_S,
				'redirection'         => 0,
				'limit_response_size' => 1048576,
				'user-agent'          => 'Dispo-WooCommerce/' . VERSION,
				'headers'             => array(
					'Accept'            => 'application/json',
					'Content-Type'      => 'application/json',
					'X-Dispo-Signature' => hash_hmac( 'sha256', $body, $secret ),
				),
				'body'                => $body,
			)
		);
		if ( is_wp_error( $answer ) ) {
			return self::failed( $answer->get_error_message() );
		}
		$status = (int) wp_remote_retrieve_response_code( $answer );
		$data   = json_decode( wp_remote_retrieve_body( $answer ), true );
		if ( 200 !== $status || ! is_array( $data ) ) {
			return self::failed( 'HTTP ' . $status . ( isset( $data['error'] ) && is_string( $data['error'] ) ? ': ' . $data['error'] : '' ) );
		}
		return $data;
	}

	/**
	 * What to tell whoever runs the tool.
	 *
	 * @param string $cause What happened.
	 * @return \WP_Error
	 */
	private static function failed( $cause ) {
		return new \WP_Error(
			'dispo_not_reached',
			/* translators: %s: what happened, as told by the network or by Dispo. */
			sprintf( __( 'Dispo, which keeps who asked to be told, did not answer (%s). Try again, or export and erase in Dispo.', 'dispo' ), wp_strip_all_tags( $cause ) )
		);
	}

	/**
	 * The rows of one item that have something to say.
	 *
	 * @param mixed                 $item  What Dispo says of it.
	 * @param array<string, string> $names Which fields, with their labels.
	 * @return array[]
	 */
	private static function rows( $item, array $names ) {
		$rows = array();
		foreach ( $names as $name => $label ) {
			$value = self::text( $item, $name );
			if ( '' !== $value ) {
				$rows[] = array(
					'name'  => $label,
					'value' => esc_html( $value ),
				);
			}
		}
		return $rows;
	}

	/**
	 * One field as text.
	 *
	 * @param mixed  $item What Dispo says of it.
	 * @param string $name The field.
	 * @return string
	 */
	private static function text( $item, $name ) {
		return is_array( $item ) && isset( $item[ $name ] ) && is_scalar( $item[ $name ] ) ? (string) $item[ $name ] : '';
	}
}
