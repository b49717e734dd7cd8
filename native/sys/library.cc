#include "sys/library.h"

#include <dlfcn.h>

namespace slipway::sys {

Library::Library(const char* soname, const char* probe)
    : handle_(dlsym(RTLD_DEFAULT, probe) != nullptr ? RTLD_DEFAULT
                                                    : dlopen(soname, RTLD_NOW | RTLD_LOCAL)) {}

// RTLD_DEFAULT is the null pointer, as is a library that is not there: then no name is found either
// way.
void* Library::look_up(const char* name) const { return dlsym(handle_, name); }

}  // namespace slipway::sys
