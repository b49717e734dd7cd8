// A user namespace without inhabitants: the id maps of a mount refer to it, or it is entered later.
#pragma once

namespace slipway::launch {

// `uid_map`, `gid_map`: lines as user_namespaces(7) has them. Returns a descriptor, or -errno.
long make_user_namespace(const char* uid_map, const char* gid_map) noexcept;

// The same in two steps, for maps that are written by somebody else. Returns the pid of the process
// that keeps the namespace meanwhile, or -errno; `pidfd` is the caller's.
long clone_into_user_namespace(int* pidfd) noexcept;
void end_clone(int pidfd) noexcept;

}  // namespace slipway::launch
