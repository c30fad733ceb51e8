<?php
/**
 * Badge and form on the pages of the shop.
 *
 * @package Dispo
 */

namespace Dispo;

defined( 'ABSPATH' ) || exit;

/**
 * The badge is plain HTML wherever WooCommerce shows its own stock line. The form stands once on a product
 * page, after WooCommerce's own form and never inside it; it also carries what the script needs. Nothing here
 * depends on who looks or on a nonce, so pages may be cached for everybody.
 */
final class Storefront {

	/**
	 * Products whose form is on this page already.
	 *
	 * @var array<int, true>
	 */
	private static $placed = array();

	/**
	 * Facts already worked out for this page, by product.
	 *
	 * @var array<int, array|null>
	 */
	private static $facts = array();

	/**
	 * Is the block being rendered that calls "after the form" inside of it?
	 *
	 * @var bool
	 */
	private static $is_inside = false;

	/**
	 * Hooks into classic and block themes.
	 *
	 * @return void
	 */
	public static function hook() {
		add_action( 'wp_enqueue_scripts', array( self::class, 'register' ) );
		if ( Settings::is_on( 'dispo_badge' ) ) {
			add_filter( 'woocommerce_get_stock_html', array( self::class, 'stock_html' ), 20, 2 );
			add_filter( 'woocommerce_get_availability_text', array( self::class, 'availability_text' ), 20, 2 );
			add_filter( 'render_block_woocommerce/product-stock-indicator', array( self::class, 'indicator_block' ), 20, 3 );
		}
		if ( Settings::is_on( 'dispo_badge_loop' ) ) {
			add_action( 'woocommerce_after_shop_loop_item_title', array( self::class, 'in_loop' ), 12 );
		}
		// The first of these that a theme runs places the form; which ones run depends on theme and product.
		add_action( 'woocommerce_simple_add_to_cart', array( self::class, 'place' ), 31 );
		add_action( 'woocommerce_variable_add_to_cart', array( self::class, 'place' ), 31 );
		add_action( 'woocommerce_after_add_to_cart_form', array( self::class, 'place_after_form' ), 20 );
		add_action( 'woocommerce_single_product_summary', array( self::class, 'place_in_summary' ), 31 );
		add_filter( 'pre_render_block', array( self::class, 'enter_block' ), 20, 2 );
		foreach ( array( 'add-to-cart-form', 'add-to-cart-with-options' ) as $block ) {
			add_filter( 'render_block_woocommerce/' . $block, array( self::class, 'place_after_block' ), 20 );
		}
	}

	/**
	 * Registers script and styles; the styles go into the head where a badge is to be expected.
	 *
	 * @return void
	 */
	public static function register() {
		// WordPress before 6.3 takes the list for "in the footer", which does as well.
		$footer = array(
			'in_footer' => true,
			'strategy'  => 'defer',
		);
		wp_register_style( 'dispo', plugins_url( 'assets/dispo.css', FILE ), array(), VERSION );
		wp_register_script( 'dispo-notify-me', plugins_url( 'assets/notify-me.js', FILE ), array(), VERSION, $footer );
		wp_register_script( 'dispo', plugins_url( 'assets/dispo.js', FILE ), array( 'dispo-notify-me' ), VERSION, $footer );
		if ( is_product() || ( Settings::is_on( 'dispo_badge_loop' ) && is_woocommerce() ) ) {
			wp_enqueue_style( 'dispo' );
		}
	}

	/**
	 * In place of WooCommerce's stock line, also in the data of variations.
	 *
	 * @param string      $html    WooCommerce's line.
	 * @param \WC_Product $product Product or variation.
	 * @return string
	 */
	public static function stock_html( $html, $product ) {
		$facts = self::facts( $product );
		return $facts ? self::badge( $facts ) : $html;
	}

	/**
	 * In place of WooCommerce's words, where there is room for plain text only: blocks and the Store API.
	 *
	 * @param string      $text    WooCommerce's words.
	 * @param \WC_Product $product Product or variation.
	 * @return string
	 */
	public static function availability_text( $text, $product ) {
		$facts = self::facts( $product );
		return $facts ? Words::badge( $facts ) : $text;
	}

	/**
	 * In place of the stock indicator block. That of a variable product follows the chosen variation: by our
	 * script where the page has our form, else by WooCommerce's, with the words of availability_text().
	 *
	 * @param string    $content  The block's HTML.
	 * @param array     $block    The parsed block.
	 * @param \WP_Block $instance The block.
	 * @return string
	 */
	public static function indicator_block( $content, $block, $instance ) {
		$id      = isset( $instance->context['postId'] ) ? (int) $instance->context['postId'] : get_the_ID();
		$product = wc_get_product( $id );
		if ( ! $product ) {
			return $content;
		}
		if ( false !== strpos( $content, 'data-wp-text' ) ) {
			$is_ours = is_product() && get_queried_object_id() === $product->get_id() && Settings::is_connected() && self::data( $product );
			$badge   = '<p class="' . esc_attr( self::classes( '' ) ) . '" data-dispo-follows="' . $product->get_id() . '" hidden></p>';
			return $is_ours ? self::indicator( $badge ) : $content;
		}
		$facts = self::facts( $product );
		return $facts ? self::indicator( self::badge( $facts ) ) : $content;
	}

	/**
	 * A badge in the place of the stock indicator block.
	 *
	 * @param string $badge Its HTML.
	 * @return string
	 */
	private static function indicator( $badge ) {
		wp_enqueue_style( 'dispo' );
		return '<div class="wp-block-woocommerce-product-stock-indicator wc-block-components-product-stock-indicator">' . $badge . '</div>';
	}

	/**
	 * Below the title in lists of products.
	 *
	 * @return void
	 */
	public static function in_loop() {
		global $product;
		$facts = $product instanceof \WC_Product ? self::facts( $product ) : null;
		if ( $facts ) {
			echo self::badge( $facts ); // phpcs:ignore WordPress.Security.EscapeOutput -- escaped where it is made.
		}
	}

	/**
	 * The badge as HTML.
	 *
	 * @param array $facts See Facts::of().
	 * @return string
	 */
	private static function badge( array $facts ) {
		return sprintf(
			'<p class="%1$s" data-dispo-shows="%2$d" data-state="%3$s">%4$s</p>',
			esc_attr( self::classes( $facts['state'] ) ),
			$facts['id'],
			esc_attr( $facts['state'] ),
			esc_html( Words::badge( $facts ) )
		);
	}

	/**
	 * The classes of a badge; with the theme's colours also those of WooCommerce's own line.
	 *
	 * @param string $state Badge state, '' while none is known.
	 * @return string
	 */
	private static function classes( $state ) {
		if ( 'theme' !== Settings::get( 'dispo_colors' ) ) {
			return 'dispo-badge';
		}
		return 'dispo-badge dispo-plain stock ' . ( in_array( $state, Facts::BUYABLE, true ) ? 'in-stock' : 'out-of-stock' );
	}

	/**
	 * The facts of a product, worked out once a page.
	 *
	 * @param \WC_Product $product Product or variation.
	 * @return array|null
	 */
	private static function facts( $product ) {
		if ( ! $product instanceof \WC_Product ) {
			return null;
		}
		$id = $product->get_id();
		if ( ! array_key_exists( $id, self::$facts ) ) {
			self::$facts[ $id ] = Facts::of( $product );
		}
		return self::$facts[ $id ];
	}

	/**
	 * Forgets what was worked out, when a number or badge changes in the same request.
	 *
	 * @return void
	 */
	public static function forget() {
		self::$facts = array();
	}

	/**
	 * Places form and data once a product.
	 *
	 * @return void
	 */
	public static function place() {
		global $product;
		if ( ! $product instanceof \WC_Product || isset( self::$placed[ $product->get_id() ] ) || ! Settings::is_connected() ) {
			return;
		}
		$data = self::data( $product );
		if ( ! $data ) {
			return;
		}
		self::$placed[ $product->get_id() ] = true;
		wp_enqueue_style( 'dispo' );
		wp_enqueue_script( 'dispo' );
		$has_form = Settings::is_on( 'dispo_form' );
		echo '<div class="dispo' . ( $has_form ? '' : ' dispo-off' ) . '" data-dispo';
		foreach ( $data as $name => $value ) {
			echo ' data-' . esc_attr( $name ) . '="' . esc_attr( $value ) . '"';
		}
		// The script's own badge, which the visible ones copy.
		echo '><p class="dispo-badge dispo-source" data-dispo-badge hidden></p>';
		if ( $has_form ) {
			self::form( $data );
		}
		echo '</div>';
	}

	/**
	 * After the form of a product of any type, except inside the block that prints this hook into its form.
	 *
	 * @return void
	 */
	public static function place_after_form() {
		if ( ! self::$is_inside ) {
			self::place();
		}
	}

	/**
	 * Notes that the block begins whose hooks lie inside its form.
	 *
	 * @param string|null $html  Null: the block is rendered.
	 * @param array       $block The parsed block.
	 * @return string|null
	 */
	public static function enter_block( $html, $block ) {
		if ( null === $html && isset( $block['blockName'] ) && 'woocommerce/add-to-cart-with-options' === $block['blockName'] ) {
			self::$is_inside = true;
		}
		return $html;
	}

	/**
	 * The last resort of classic themes. Block themes call this hook long before their own form.
	 *
	 * @return void
	 */
	public static function place_in_summary() {
		if ( ! wp_is_block_theme() ) {
			self::place();
		}
	}

	/**
	 * The last resort of block themes: after the block that holds the form.
	 *
	 * @param string $content The block's HTML.
	 * @return string
	 */
	public static function place_after_block( $content ) {
		self::$is_inside = false;
		ob_start();
		self::place();
		return $content . ob_get_clean();
	}

	/**
	 * What the script is told.
	 *
	 * @param \WC_Product $product The product of the page.
	 * @return array<string, string> Attributes by name, without "data-"; empty where Dispo knows none of it.
	 */
	private static function data( \WC_Product $product ) {
		$facts = array();
		if ( $product->is_type( 'variable' ) || $product->get_children() ) {
			$children = $product->is_type( 'grouped' ) ? array() : array_slice( $product->get_children(), 0, 500 );
			_prime_post_caches( $children, false, true );
			foreach ( $children as $child_id ) {
				$child = wc_get_product( $child_id );
				$found = $child ? self::facts( $child ) : null;
				if ( $found ) {
					// By the id on this page, which is the one the shopper chooses.
					$facts[ $child_id ] = $found;
				}
			}
		} else {
			$found = self::facts( $product );
			if ( $found ) {
				$facts[ $product->get_id() ] = $found;
			}
		}
		if ( ! $facts ) {
			return array();
		}
		$data = array(
			'server'  => Settings::server(),
			'key'     => Settings::key(),
			'locale'  => str_replace( '_', '-', determine_locale() ),
			'seller'  => '' !== Settings::get( 'dispo_seller' ) ? Settings::get( 'dispo_seller' ) : wp_specialchars_decode( get_bloginfo( 'name' ), ENT_QUOTES ),
			'privacy' => '' !== Settings::get( 'dispo_privacy' ) ? Settings::get( 'dispo_privacy' ) : get_privacy_policy_url(),
			'select'  => 'input[name="variation_id"]',
			'similar' => plugins_url( 'assets/similar.js', FILE ) . '?ver=' . VERSION,
		);
		// Dispo knows prices as they were entered; where the shop shows them otherwise, none stands beside a similar product.
		$as_entered       = ! wc_tax_enabled() || ( wc_prices_include_tax() ? 'incl' : 'excl' ) === get_option( 'woocommerce_tax_display_shop' );
		$data['currency'] = $as_entered ? get_woocommerce_currency() : '';
		// The script asks Dispo by id, so a translated twin goes by the id that Dispo knows.
		$known = array();
		$twins = array();
		foreach ( $facts as $shown_id => $found ) {
			$known[ $found['id'] ] = Facts::for_script( $found );
			if ( $found['id'] !== $shown_id ) {
				$twins[ $shown_id ] = $found['id'];
			}
		}
		$data['variants'] = wp_json_encode( $known );
		if ( $twins ) {
			$data['twins'] = wp_json_encode( $twins );
		}
		if ( isset( $facts[ $product->get_id() ] ) ) {
			$data['variant'] = (string) $facts[ $product->get_id() ]['id'];
		}
		$words = Words::for_script();
		if ( $words ) {
			$data['words'] = wp_json_encode( $words );
		}
		if ( Settings::is_on( 'dispo_units' ) ) {
			$data['units'] = '1';
		}
		return $data;
	}

	/**
	 * The form, which works without JavaScript for a product without variations.
	 *
	 * @param array<string, string> $data See data().
	 * @return void
	 */
	private static function form( array $data ) {
		$words   = array_merge( Words::all(), Words::for_script() );
		$variant = isset( $data['variant'] ) ? $data['variant'] : '';
		$known   = json_decode( $data['variants'], true );
		$is_open = '' !== $variant && in_array( $known[ $variant ]['state'], Facts::ASKS, true );
		?>
		<form class="dispo-form" data-dispo-form method="post" action="<?php echo esc_url( $data['server'] . '/s/' . $data['key'] . '/subscribe' ); ?>"<?php echo $is_open ? '' : ' hidden'; ?>>
			<h3><?php echo esc_html( $words['title'] ); ?></h3>
			<label><?php echo esc_html( $words['email'] ); ?>
				<input type="email" name="email" required autocomplete="email" inputmode="email" maxlength="254" class="input-text"></label>
			<?php if ( isset( $data['units'] ) ) : ?>
				<label><?php echo esc_html( $words['units'] ); ?>
					<input type="number" name="units" min="1" max="99" value="1" class="input-text"></label>
			<?php endif; ?>
			<div class="dispo-trap" aria-hidden="true"><input name="website" tabindex="-1" autocomplete="off"></div>
			<input type="hidden" name="id" value="<?php echo esc_attr( $variant ); ?>">
			<input type="hidden" name="lang" value="<?php echo esc_attr( Words::language() ); ?>">
			<input type="hidden" name="consent" value="2026-11">
			<button type="submit" class="button alt wp-element-button"><?php echo esc_html( $words['send'] ); ?></button>
			<small>
				<?php
				echo esc_html( str_replace( '{seller}', $data['seller'], $words['consent'] ) . ' ' . $words['keep'] );
				if ( '' !== $data['privacy'] ) {
					echo ' <a href="' . esc_url( $data['privacy'] ) . '">' . esc_html( $words['privacy'] ) . '</a>';
				}
				?>
			</small>
		</form>
		<?php
	}
}
