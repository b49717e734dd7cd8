// A user namespace that nobody lives in: only the id maps of a mount refer to it.
#pragma once

namespace slipway::launch {

// `uid_map`, `gid_map`: lines as user_namespaces(7) has them. Returns a descriptor, or -errno.
long make_user_namespace(const char* uid_map, const char* gid_map) noexcept;

}  // namespace slipway::launch
