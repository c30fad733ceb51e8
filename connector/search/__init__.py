"""What search engines make of the merchant's product pages, held against what we know of the stock: which
pages need somebody, why, and what helps. Reads only; nothing at the engine or in a store is changed."""
