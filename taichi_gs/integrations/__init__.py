"""taichi_gs inside other libraries, none of which it needs itself, and in pages."""
