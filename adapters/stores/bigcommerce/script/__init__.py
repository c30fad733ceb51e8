"""The loader that ties Dispo's storefront script to BigCommerce's product pages; text, never run here."""
