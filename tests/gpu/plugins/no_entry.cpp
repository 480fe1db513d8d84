// A shared library that is no plug-in.
extern "C" [[gnu::visibility("default")]] int something_else() { return 0; }
