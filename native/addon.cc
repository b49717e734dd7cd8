// The table of exported functions, nothing else.
#include "binding/exports.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  slipway::binding::register_launch(env, exports);
  slipway::binding::register_layer(env, exports);
  slipway::binding::register_decompressor(env, exports);
  slipway::binding::register_channel(env, exports);
  slipway::binding::register_file_lock(env, exports);
  slipway::binding::register_user_namespace(env, exports);
  return exports;
}

NODE_API_MODULE(slipway, init)
