<?php
/**
 * Sets a number only where nobody changed it meanwhile.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * The conditional write. WooCommerce's own REST API sets a number whatever happened since it was read, and
 * so can undo a sale. Here the database compares and sets in one statement; what follows from the new
 * number (status, lookup table, caches, hooks) is left to WooCommerce's own function.
 */
final class Stock {

	/**
	 * Works one item of a batch.
	 *
	 * @param array $item With id; from (whole number, null: whatever it holds) and to for the number;
	 *                    badge (state, count, restock_on, restock_until) for the badge. Each part may be absent.
	 * @return array With id and status: "done", "conflict" (remote: the number the shop holds) or "error"
	 *               (code, message, is_final; manage_stock where stock is not managed).
	 */
	public static function work( array $item ) {
		$id      = isset( $item['id'] ) && is_int( $item['id'] ) ? $item['id'] : 0;
		$sets    = array_key_exists( 'to', $item );
		$problem = self::fault( $item, $sets );
		if ( '' !== $problem ) {
			return self::error( $id, 'invalid', $problem );
		}
		$product = $id > 0 ? wc_get_product( $id ) : false;
		if ( ! $product instanceof \WC_Product ) {
			return self::error( $id, 'not_found', __( 'The shop has no such product any more.', 'dispo' ) );
		}
		if ( self::is_in_trash( $product ) ) {
			return self::error( $id, 'trash', __( 'It lies in the trash of the shop.', 'dispo' ) );
		}
		if ( $sets ) {
			$managed = $product->managing_stock();
			if ( true !== $managed || $product->is_type( 'external' ) ) {
				return self::error( $id, 'not_managed', __( 'WooCommerce does not track its stock.', 'dispo' ) ) + array(
					'type'         => $product->get_type(),
					'manage_stock' => $managed,
					'tracks_stock' => 'yes' === get_option( 'woocommerce_manage_stock' ),
				);
			}
			$answer = self::compare_and_set( $product, isset( $item['from'] ) ? $item['from'] : null, $item['to'] );
			if ( 'done' !== $answer['status'] ) {
				return $answer;
			}
		}
		if ( isset( $item['badge'] ) && ! self::keep_badge( $product, $item['badge'] ) ) {
			return self::error( $id, 'badge', __( 'The shop did not keep the badge: a plugin seems to filter product meta.', 'dispo' ) );
		}
		return array(
			'id'     => $id,
			'status' => 'done',
		);
	}

	/**
	 * What is wrong with an item, in words for a developer; '' when nothing is.
	 *
	 * @param array $item See work().
	 * @param bool  $sets Does it set a number?
	 * @return string
	 */
	private static function fault( array $item, $sets ) {
		if ( ! isset( $item['id'] ) || ! is_int( $item['id'] ) ) {
			return 'id must be a whole number.';
		}
		if ( $sets && ( ! is_int( $item['to'] ) || $item['to'] < 0 ) ) {
			return 'to must be a whole number of at least 0.';
		}
		if ( isset( $item['from'] ) && ! is_int( $item['from'] ) ) {
			return 'from must be a whole number or null.';
		}
		if ( ! isset( $item['badge'] ) ) {
			return $sets ? '' : 'There is nothing to do: give to, badge or both.';
		}
		$badge = $item['badge'];
		if ( ! is_array( $badge ) || ! isset( $badge['state'] ) || ! in_array( $badge['state'], Facts::STATES, true ) ) {
			return 'badge.state must be one of ' . implode( ', ', Facts::STATES ) . '.';
		}
		if ( isset( $badge['count'] ) && ( ! is_int( $badge['count'] ) || $badge['count'] < 0 ) ) {
			return 'badge.count must be a whole number of at least 0, or null.';
		}
		foreach ( array( 'restock_on', 'restock_until' ) as $name ) {
			if ( isset( $badge[ $name ] ) && ( ! is_string( $badge[ $name ] ) || '' === Facts::date( $badge[ $name ] ) ) ) {
				return "badge.$name must be a date like 2026-12-12, or null.";
			}
		}
		return '';
	}

	/**
	 * Is the product, or the product a variation belongs to, in the trash?
	 *
	 * @param \WC_Product $product Product or variation.
	 * @return bool
	 */
	private static function is_in_trash( \WC_Product $product ) {
		$parent = $product->get_parent_id();
		return 'trash' === $product->get_status() || ( $parent && 'trash' === get_post_status( $parent ) );
	}

	/**
	 * The one statement, and what follows from it.
	 *
	 * @param \WC_Product $product Manages its own stock.
	 * @param int|null    $from    Expected number.
	 * @param int         $to      New number.
	 * @return array See work().
	 */
	private static function compare_and_set( \WC_Product $product, $from, $to ) {
		global $wpdb;
		$id   = $product->get_id();
		$held = self::number( $id );
		if ( null === $from && null === $held ) {
			add_post_meta( $id, '_stock', 0, true );
		}
		if ( $from === $to || ( null === $from && null !== $held && (float) $to === $held ) ) {
			// MySQL counts no row where nothing changes, so an equal number is compared by reading.
			return null !== $held && floor( $held ) === (float) $to ? self::done( $id ) : self::conflict( $id, $held );
		}
		// Shops that sell by weight hold fractions; Dispo counts whole pieces and knows the number rounded down.
		// An empty text is no number, and nobody may take it for 0.
		// phpcs:disable WordPress.DB.DirectDatabaseQuery -- the comparison has to happen inside the database.
		if ( null === $from ) {
			$changed = $wpdb->query(
				$wpdb->prepare(
					"UPDATE {$wpdb->postmeta} SET meta_value = %d WHERE post_id = %d AND meta_key = '_stock'",
					$to,
					$id
				)
			);
		} else {
			$changed = $wpdb->query(
				$wpdb->prepare(
					"UPDATE {$wpdb->postmeta} SET meta_value = %d
					 WHERE post_id = %d AND meta_key = '_stock' AND meta_value <> '' AND FLOOR( meta_value ) = %d",
					$to,
					$id,
					$from
				)
			);
		}
		// phpcs:enable
		wp_cache_delete( $id, 'post_meta' );
		if ( false === $changed ) {
			return self::error( $id, 'database', __( 'The database refused the write for now.', 'dispo' ), false );
		}
		if ( 0 === $changed && null !== $from ) {
			return self::conflict( $id, self::number( $id ) );
		}
		// Adding nothing makes WooCommerce read the number as it is now, also when a sale came in between, and
		// bring everything else into line: status, lookup table, caches, and the hooks other plugins wait for.
		wc_update_product_stock( $product, 0, 'increase' );
		self::settle_status( $id );
		return self::done( $id );
	}

	/**
	 * A sale while WooCommerce saved may have left the status of the number before it: look again.
	 *
	 * @param int $id Product or variation.
	 * @return void
	 */
	private static function settle_status( $id ) {
		for ( $tries = 0; $tries < 3; $tries++ ) {
			wp_cache_delete( $id, 'post_meta' );
			$held   = self::number( $id );
			$fresh  = wc_get_product( $id );
			$status = (string) get_post_meta( $id, '_stock_status', true );
			if ( ! $fresh instanceof \WC_Product || null === $held ) {
				return;
			}
			$is_above = (int) $held > (int) get_option( 'woocommerce_notify_no_stock_amount', 0 );
			if ( ( 'instock' === $status ) === $is_above ) {
				return;
			}
			wc_update_product_stock( $fresh, 0, 'increase' );
		}
	}

	/**
	 * The number the shop holds, past every cache; null when it holds none.
	 *
	 * @param int $id Product or variation.
	 * @return float|null
	 */
	private static function number( $id ) {
		global $wpdb;
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- the cache is what must not answer here.
		$value = $wpdb->get_var( $wpdb->prepare( "SELECT meta_value FROM {$wpdb->postmeta} WHERE post_id = %d AND meta_key = '_stock' LIMIT 1", $id ) );
		return is_numeric( $value ) ? (float) $value : null;
	}

	/**
	 * Writes the badge.
	 *
	 * @param \WC_Product $product Product or variation.
	 * @param array       $badge   Checked facts.
	 * @return bool Whether the shop kept it.
	 */
	private static function keep_badge( \WC_Product $product, array $badge ) {
		$id   = $product->get_id();
		$kept = true;
		foreach ( Facts::KEYS as $key ) {
			$name  = substr( $key, strlen( '_dispo_' ) );
			$value = isset( $badge[ $name ] ) ? (string) $badge[ $name ] : '';
			if ( (string) get_post_meta( $id, $key, true ) !== $value || ! metadata_exists( 'post', $id, $key ) ) {
				update_post_meta( $id, $key, $value );
				$kept = $kept && (string) get_post_meta( $id, $key, true ) === $value;
			}
		}
		return $kept;
	}

	/**
	 * The answer of a number that was set.
	 *
	 * @param int $id Product or variation.
	 * @return array
	 */
	private static function done( $id ) {
		return array(
			'id'     => $id,
			'status' => 'done',
		);
	}

	/**
	 * The answer where somebody else changed the number.
	 *
	 * @param int        $id   Product or variation.
	 * @param float|null $held The number the shop holds.
	 * @return array
	 */
	private static function conflict( $id, $held ) {
		return array(
			'id'     => $id,
			'status' => 'conflict',
			'remote' => null === $held ? null : (int) floor( $held ),
		);
	}

	/**
	 * The answer where nothing was written.
	 *
	 * @param int    $id       Product or variation, 0 when it named none.
	 * @param string $code     A word for programs.
	 * @param string $message  A sentence for the merchant.
	 * @param bool   $is_final False when trying again may help.
	 * @return array
	 */
	private static function error( $id, $code, $message, $is_final = true ) {
		return array(
			'id'       => $id,
			'status'   => 'error',
			'code'     => $code,
			'message'  => $message,
			'is_final' => $is_final,
		);
	}
}
