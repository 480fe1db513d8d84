#pragma once
#include "protocol/base/error.hpp"

#include <utility>
#include <variant>

namespace mayfly {

/// A value or an error (std::expected arrives with C++23). Access to the wrong side is a programming error
/// and throws std::bad_variant_access.
template <class T>
class [[nodiscard]] result {
public:
  // NOLINTBEGIN(google-explicit-constructor): `return value;` and `return error{...};` must both read well
  result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  result(error failure) : state_(std::in_place_index<1>, failure) {}
  // NOLINTEND(google-explicit-constructor)

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  T& value() & { return std::get<0>(state_); }
  T const& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  T const& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  T const* operator->() const { return &value(); }
  error const& failure() const { return std::get<1>(state_); }

private:
  std::variant<T, error> state_;
};

template <>
class [[nodiscard]] result<void> {
public:
  result() noexcept = default;
  // NOLINTNEXTLINE(google-explicit-constructor)
  result(error failure) noexcept : failure_(failure) {}
  bool has_value() const noexcept { return failure_.code == errc::ok; }
  explicit operator bool() const noexcept { return has_value(); }
  error const& failure() const noexcept { return failure_; }

private:
  error failure_{errc::ok, "", 0};
};

} // namespace mayfly
