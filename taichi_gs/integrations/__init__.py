"""taichi_gs inside other libraries, none of which it needs itself: each module here has an extra of its name."""
