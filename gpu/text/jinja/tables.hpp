#pragma once
// Where the interpreter finds filters, tests, methods and functions by name. Null for a name that is unknown.
#include "gpu/text/jinja/interpreter.hpp"

namespace mayfly::gpu::jinja {

template <std::size_t Count>
native_function find_named(std::pair<std::string_view, native_function> const (&among)[Count],
                           std::string_view name) {
  for (auto const& [known, function] : among)
    if (known == name) return function;
  return nullptr;
}

native_function find_text_filter(std::string_view name) noexcept;
native_function find_sequence_filter(std::string_view name) noexcept;
native_function find_text_method(std::string_view name) noexcept;
native_function find_container_method(kind of, std::string_view name) noexcept;
native_function find_test(std::string_view name) noexcept; ///< yields a boolean
native_function find_function(std::string_view name) noexcept;

/// loop.index and the rest; undefined for what a loop does not have.
value loop_attribute(interpreter& with, value loop, std::string_view name);

} // namespace mayfly::gpu::jinja
