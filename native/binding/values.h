// Objects for JavaScript, and from it. A worker that is being terminated runs no JavaScript any
// more, from one call to the next: node-addon-api ends the process for a property that cannot be
// set or read then, and nobody would see it anyway.
#pragma once
#include <napi.h>
#include <stdint.h>

#include <vector>

namespace slipway::binding {

template <typename T>
void put(const Napi::Object& object, const char* name, const T& value) {
  (void)napi_set_named_property(object.Env(), object, name, Napi::Value::From(object.Env(), value));
}

inline void put(const Napi::Object& object, const char* name, napi_value value) {
  (void)napi_set_named_property(object.Env(), object, name, value);
}

inline void put_at(const Napi::Array& array, uint32_t index, napi_value value) {
  (void)napi_set_element(array.Env(), array, index, value);
}

inline Napi::Value get(const Napi::Object& object, const char* name) {
  napi_value value = nullptr;
  const bool is_read =
      napi_get_named_property(object.Env(), object, name, &value) == napi_ok && value != nullptr;
  return is_read ? Napi::Value(object.Env(), value) : object.Env().Undefined();
}

// False for anything but `true`. Coercing is running JavaScript.
inline bool is_true(const Napi::Value& value) {
  bool result = false;
  (void)napi_get_value_bool(value.Env(), value, &result);
  return result;
}

inline Napi::Value get_at(const Napi::Array& array, uint32_t index) {
  napi_value value = nullptr;
  const bool is_read =
      napi_get_element(array.Env(), array, index, &value) == napi_ok && value != nullptr;
  return is_read ? Napi::Value(array.Env(), value) : array.Env().Undefined();
}

// A copy, as a Buffer.
inline napi_value buffer_of(Napi::Env env, const uint8_t* bytes, size_t size) {
  napi_value buffer = env.Undefined();
  (void)napi_create_buffer_copy(env, size, bytes, nullptr, &buffer);
  return buffer;
}

inline napi_value float64_array(Napi::Env env, const std::vector<int64_t>& numbers) {
  void* data = nullptr;
  napi_value memory, array = env.Undefined();
  if (napi_create_arraybuffer(env, numbers.size() * sizeof(double), &data, &memory) != napi_ok)
    return array;
  for (size_t i = 0; i < numbers.size(); i++)
    static_cast<double*>(data)[i] = static_cast<double>(numbers[i]);
  (void)napi_create_typedarray(env, napi_float64_array, numbers.size(), memory, 0, &array);
  return array;
}

}  // namespace slipway::binding
