// Compiled once for the precompiled header that every room reuses.
