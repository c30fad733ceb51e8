<?php
/**
 * A shop without WordPress: just what the plugin calls, kept in arrays, and a harness of four functions.
 */

error_reporting( E_ALL );
set_error_handler(
	static function ( $level, $message, $file, $line ) {
		throw new ErrorException( $message, 0, $level, $file, $line );
	}
);

define( 'ABSPATH', '/' );
define( 'MINUTE_IN_SECONDS', 60 );

final class World {
	public static $options = array( 'woocommerce_manage_stock' => 'yes' );
	public static $meta = array();
	public static $products = array();
	public static $twins = array();
	public static $transients = array();
	public static $hooks = array();
	public static $log = array();
	public static $notices = array();
	public static $purged = array();
	public static $calls = array();
	public static $answer = null;
	public static $locale = 'en_US';
	public static $today = '2026-12-01';
	public static $is_block_theme = false;
	public static $cart = null;

	public static function reset() {
		foreach ( ( new ReflectionClass( self::class ) )->getDefaultProperties() as $name => $value ) {
			self::$$name = $value;
		}
		Dispo\Storefront::forget();
		foreach ( array( array( Dispo\Storefront::class, 'placed' ), array( Dispo\Live_Check::class, 'heard' ) ) as $kept ) {
			$property = new ReflectionProperty( $kept[0], $kept[1] );
			$property->setAccessible( true );
			$property->setValue( null, array() );
		}
	}
}

class WP_Error {
	public $errors = array();
	public $code;
	public $message;
	public $data;
	public function __construct( $code = '', $message = '', $data = null ) {
		$this->code    = $code;
		$this->message = $message;
		$this->data    = $data;
	}
	public function add( $code, $message ) {
		$this->errors[] = array( $code, $message );
	}
	public function get_error_message() {
		return $this->message;
	}
}

class WC_Product {
	public $id, $stock, $status, $type, $parent, $managed, $backorders, $purchasable, $post_status, $children;
	public function __construct( $id, $stock = null, array $more = array() ) {
		$more             += array( 'type' => 'simple', 'parent' => 0, 'managed' => null !== $stock, 'backorders' => false, 'purchasable' => true, 'post_status' => 'publish', 'children' => array() );
		$this->id          = $id;
		$this->stock       = $stock;
		$this->status      = isset( $more['status'] ) ? $more['status'] : ( null === $stock || $stock > 0 ? 'instock' : ( $more['backorders'] ? 'onbackorder' : 'outofstock' ) );
		foreach ( array( 'type', 'parent', 'managed', 'backorders', 'purchasable', 'post_status', 'children' ) as $name ) {
			$this->$name = $more[ $name ];
		}
		World::$products[ $id ] = $this;
	}
	public function get_id() { return $this->id; }
	public function get_name() { return 'Item <b>' . $this->id . '</b>'; }
	public function get_type() { return $this->type; }
	public function get_parent_id() { return $this->parent; }
	public function get_status() { return $this->post_status; }
	public function get_children() { return $this->children; }
	public function get_stock_quantity() { return $this->stock; }
	public function is_type( $type ) { return $this->type === $type; }
	public function is_in_stock() { return 'outofstock' !== $this->status; }
	public function is_purchasable() { return $this->purchasable; }
	public function managing_stock() { return 'yes' === get_option( 'woocommerce_manage_stock' ) ? $this->managed : false; }
	public function backorders_allowed() { return $this->backorders; }
	public function is_on_backorder( $units = 0 ) { return 'onbackorder' === $this->status; }
}

/** The table of numbers: answers the plugin's statements as MySQL would. */
final class Database {
	public $postmeta = 'wp_postmeta';
	public $options = 'wp_options';
	public $statements = array();
	public $stock = array();
	public $fails = false;
	/** Runs once, just before the next UPDATE, as another customer would. */
	public $meanwhile = null;

	public function prepare( $sql, ...$values ) {
		foreach ( $values as $value ) {
			$sql = preg_replace( '/%[ds]/', (string) $value, $sql, 1 );
		}
		return trim( preg_replace( '/\s+/', ' ', $sql ) );
	}
	public function get_var( $sql ) {
		preg_match( '/post_id = (\d+)/', $sql, $id );
		return isset( $this->stock[ $id[1] ] ) ? (string) $this->stock[ $id[1] ] : null;
	}
	public function query( $sql ) {
		if ( $this->meanwhile ) {
			$act             = $this->meanwhile;
			$this->meanwhile = null;
			$act( $this );
		}
		$this->statements[] = $sql;
		if ( $this->fails ) {
			return false;
		}
		preg_match( '/SET meta_value = (-?\d+) WHERE post_id = (\d+)/', $sql, $found );
		list( , $to, $id ) = $found;
		if ( ! isset( $this->stock[ $id ] ) ) {
			return 0;
		}
		if ( preg_match( '/FLOOR\( meta_value \) = (-?\d+)/', $sql, $from ) && ( '' === $this->stock[ $id ] || floor( (float) $this->stock[ $id ] ) !== (float) $from[1] ) ) {
			return 0;
		}
		$is_same            = (string) $this->stock[ $id ] === $to;
		$this->stock[ $id ] = $to;
		return $is_same ? 0 : 1;
	}
}
$GLOBALS['wpdb'] = new Database();

function get_option( $name, $default = false ) { return array_key_exists( $name, World::$options ) ? World::$options[ $name ] : $default; }
function update_option( $name, $value ) { World::$options[ $name ] = $value; return true; }
function get_transient( $name ) { return isset( World::$transients[ $name ] ) ? World::$transients[ $name ] : false; }
function set_transient( $name, $value, $seconds ) { World::$transients[ $name ] = $value; return true; }
function delete_transient( $name ) { unset( World::$transients[ $name ] ); return true; }
function get_post_meta( $id, $key, $single = false ) {
	if ( '_stock_status' === $key ) { return World::$products[ $id ]->status; }
	return isset( World::$meta[ $id ][ $key ] ) ? World::$meta[ $id ][ $key ] : '';
}
function metadata_exists( $type, $id, $key ) { return isset( World::$meta[ $id ][ $key ] ); }
function update_post_meta( $id, $key, $value ) { World::$meta[ $id ][ $key ] = $value; do_action( 'updated_post_meta', 1, $id, $key ); return true; }
function add_post_meta( $id, $key, $value, $unique = false ) { $GLOBALS['wpdb']->stock += array( $id => (string) $value ); return true; }
function get_post_type( $id ) { return isset( World::$products[ $id ] ) && World::$products[ $id ]->parent ? 'product_variation' : 'product'; }
function get_post_status( $id ) { return isset( World::$products[ $id ] ) ? World::$products[ $id ]->post_status : false; }
function wp_get_post_parent_id( $id ) { return isset( World::$products[ $id ] ) ? World::$products[ $id ]->parent : 0; }
function wc_get_product( $id ) { return isset( World::$products[ $id ] ) ? World::$products[ $id ] : false; }
function wc_update_product_stock( $product, $units, $operation ) {
	World::$log[]    = array( $product->id, $units, $operation );
	$product->stock  = (float) $GLOBALS['wpdb']->stock[ $product->id ];
	$product->status = $product->stock > 0 ? 'instock' : ( $product->backorders ? 'onbackorder' : 'outofstock' );
	return $product->stock;
}
function wp_cache_delete( $key, $group ) { return true; }
function _prime_post_caches( $ids, $terms = true, $meta = true ) {}
function clean_post_cache( $id ) { World::$purged[] = $id; }
function get_permalink( $id ) { return "https://shop.example/?p=$id"; }
function add_action( $hook, $call, $priority = 10, $count = 1 ) { return add_filter( $hook, $call, $priority, $count ); }
function add_filter( $hook, $call, $priority = 10, $count = 1 ) { World::$hooks[ $hook ][] = array( $call, $count ); return true; }
function has_filter( $hook ) { return ! empty( World::$hooks[ $hook ] ); }
function did_action( $hook ) { return 1; }
function do_action( $hook, ...$given ) { foreach ( isset( World::$hooks[ $hook ] ) ? World::$hooks[ $hook ] : array() as $one ) { call_user_func_array( $one[0], array_slice( $given, 0, $one[1] ) ); } }
function apply_filters( $hook, $value, ...$given ) {
	if ( 'dispo_twins' === $hook ) { return isset( World::$twins[ $given[0] ] ) ? World::$twins[ $given[0] ] : $value; }
	foreach ( isset( World::$hooks[ $hook ] ) ? World::$hooks[ $hook ] : array() as $one ) { $value = call_user_func_array( $one[0], array_slice( array_merge( array( $value ), $given ), 0, $one[1] ) ); }
	return $value;
}
function __( $text, $domain ) { return $text; }
function esc_html__( $text, $domain ) { return esc_html( $text ); }
function esc_html( $text ) { return htmlspecialchars( (string) $text, ENT_QUOTES ); }
function esc_attr( $text ) { return htmlspecialchars( (string) $text, ENT_QUOTES ); }
function esc_url( $url ) { return preg_match( '#^https?://#', (string) $url ) ? htmlspecialchars( $url, ENT_QUOTES ) : ''; }
function esc_url_raw( $url ) { return $url; }
function wp_parse_url( $url ) { return parse_url( $url ); }
function wp_json_encode( $value ) { return json_encode( $value ); }
function wp_strip_all_tags( $text ) { return strip_tags( $text ); }
function wp_specialchars_decode( $text, $style = 0 ) { return htmlspecialchars_decode( $text, $style ); }
function wp_date( $format, $at, $zone ) { return ( new DateTimeImmutable( "@$at" ) )->setTimezone( $zone )->format( $format ); }
function current_time( $format ) { return World::$today; }
function determine_locale() { return World::$locale; }
function get_bloginfo( $what ) { return 'Salt &amp; Pepper'; }
function get_privacy_policy_url() { return 'https://shop.example/privacy'; }
function get_woocommerce_currency() { return 'EUR'; }
function wc_tax_enabled() { return 'yes' === get_option( 'woocommerce_calc_taxes', 'no' ); }
function wc_prices_include_tax() { return 'yes' === get_option( 'woocommerce_prices_include_tax', 'no' ); }
function absint( $value ) { return abs( (int) $value ); }
function is_admin() { return false; }
function wp_doing_cron() { return false; }
function wp_is_block_theme() { return World::$is_block_theme; }
function wp_enqueue_style( $name ) {}
function wp_enqueue_script( $name ) {}
function plugins_url( $path, $file ) { return "https://shop.example/wp-content/plugins/dispo/$path"; }
function is_wp_error( $value ) { return $value instanceof WP_Error; }
function wp_remote_get( $url, $options ) { World::$calls[] = array( $url, $options ); return World::$answer; }
function wp_remote_post( $url, $options ) { World::$calls[] = array( $url, $options ); return World::$answer; }
function wp_remote_retrieve_response_code( $answer ) { return $answer['status']; }
function wp_remote_retrieve_body( $answer ) { return $answer['body']; }
function wc_get_logger() { return new class() { public function warning( $message, $context ) { World::$log[] = $message; } }; }
function wc_has_notice( $text, $kind ) { return in_array( $text, World::$notices, true ); }
function wc_add_notice( $text, $kind ) { World::$notices[] = $text; }
function rest_authorization_required_code() { return 401; }
function current_user_can( $what ) { return ! empty( World::$options[ "can_$what" ] ); }
function WC() { return (object) array( 'cart' => World::$cart ); }

final class Cart {
	private $lines = array();
	public function __construct( array $lines ) {
		foreach ( $lines as $id => $quantity ) {
			$this->lines[] = array( 'data' => World::$products[ $id ], 'quantity' => $quantity );
		}
	}
	public function get_cart() { return $this->lines; }
}

final class Request {
	private $body;
	public function __construct( $body ) { $this->body = $body; }
	public function get_json_params() { return $this->body; }
}

spl_autoload_register(
	static function ( $name ) {
		if ( 0 === strpos( $name, 'Dispo\\' ) ) {
			require_once getenv( 'DISPO_PLUGIN' ) . '/includes/class-' . strtolower( str_replace( '_', '-', substr( $name, 6 ) ) ) . '.php';
		}
	}
);
eval( 'namespace Dispo; const VERSION = "1.0.0"; const FILE = "/dispo/dispo.php";' );

function badge( $id, $state, $count = '', $on = '', $until = '' ) {
	World::$meta[ $id ] = array( '_dispo_state' => $state, '_dispo_count' => (string) $count, '_dispo_restock_on' => $on, '_dispo_restock_until' => '' === $until ? $on : $until );
}
function connect() {
	World::$options += array( 'dispo_server' => 'https://dispo.example', 'dispo_key' => 'key-of-the-shop' );
}
function says( array $items, $status = 200 ) {
	World::$answer = array( 'status' => $status, 'body' => json_encode( array( 'items' => (object) $items ) ) );
}
function page_of( $product ) {
	$GLOBALS['product'] = $product;
	ob_start();
	Dispo\Storefront::place();
	return ob_get_clean();
}

$GLOBALS['failed'] = array();
function test( $name, callable $run ) {
	World::reset();
	$GLOBALS['wpdb'] = new Database();
	try {
		$run();
		echo "ok $name\n";
	} catch ( Throwable $trouble ) {
		$GLOBALS['failed'][] = $name;
		echo "FAILED $name: {$trouble->getMessage()} ({$trouble->getFile()}:{$trouble->getLine()})\n";
	}
}
function same( $expected, $actual ) {
	if ( $expected !== $actual ) {
		throw new Exception( 'expected ' . var_export( $expected, true ) . ', got ' . var_export( $actual, true ) );
	}
}
function holds( $part, $text ) {
	if ( false === strpos( $text, $part ) ) {
		throw new Exception( "expected $part in $text" );
	}
}
register_shutdown_function( static function () { exit( $GLOBALS['failed'] ? 1 : 0 ); } );
