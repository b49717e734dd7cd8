// One register function per concern; addon.cc lists them.
#pragma once
#include <napi.h>

namespace slipway::binding {

void register_launch(Napi::Env env, Napi::Object exports);
void register_layer(Napi::Env env, Napi::Object exports);
void register_decompressor(Napi::Env env, Napi::Object exports);
void register_channel(Napi::Env env, Napi::Object exports);
void register_file_lock(Napi::Env env, Napi::Object exports);
void register_user_namespace(Napi::Env env, Napi::Object exports);

}  // namespace slipway::binding
