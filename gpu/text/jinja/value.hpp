#pragma once
// What an expression yields: Python's types as far as chat templates use them. Handles into an arena.
#include "gpu/text/jinja/text.hpp"

#include <cstdint>
#include <utility>

namespace mayfly::gpu::jinja {

struct list;
struct mapping;
struct loop_state;
struct callable;

enum class kind : std::uint8_t {
  undefined,
  none,
  boolean,
  integer,
  real,
  text,
  list,       ///< also tuples
  mapping,    ///< dict
  name_space, ///< a mapping whose attributes may be set
  loop,       ///< the `loop` of a for
  callable,
};

struct value {
  kind type = kind::undefined;
  origin source = origin::own; ///< of numbers; texts have their own
  union {
    bool boolean;
    std::int64_t integer;
    double real;
    text const* characters;
    list* items;
    mapping* entries;
    loop_state* loop;
    callable const* function;
  };

  value() noexcept : integer(0) {}
  explicit value(bool flag) noexcept : type(kind::boolean), integer(0) { boolean = flag; }
  explicit value(std::int64_t number, origin from = origin::own) noexcept
      : type(kind::integer), source(from), integer(number) {}
  explicit value(double number, origin from = origin::own) noexcept
      : type(kind::real), source(from), real(number) {}
  explicit value(text const* of) noexcept : type(kind::text), characters(of) {}
  explicit value(list* of) noexcept : type(kind::list), items(of) {}
  explicit value(mapping* of, kind as = kind::mapping) noexcept : type(as), entries(of) {}
  explicit value(loop_state* of) noexcept : type(kind::loop), loop(of) {}
  explicit value(callable const* of) noexcept : type(kind::callable), function(of) {}
  static value none() noexcept {
    value made;
    made.type = kind::none;
    return made;
  }

  bool is(kind wanted) const noexcept { return type == wanted; }
  bool is_number() const noexcept { return is(kind::boolean) || is(kind::integer) || is(kind::real); }
};

struct list {
  explicit list(arena& memory, bool as_tuple = false) : values(memory.resource()), tuple(as_tuple) {}
  std::pmr::vector<value> values;
  bool tuple;
};

struct mapping {
  explicit mapping(arena& memory) : entries(memory.resource()) {}
  std::pmr::vector<std::pair<value, value>> entries; ///< in order of insertion; keys differ

  /// None for a key that is not there.
  value const* find(value key) const;
  value const* find(std::string_view key) const noexcept;
  void set(value key, value to);
};

struct statement;
struct scope;

struct loop_state {
  list const* items = nullptr;
  std::size_t at = 0;
  std::int64_t depth = 1;
  value changed_from;
  statement const* recursive = nullptr; ///< the loop itself, where `loop(...)` may run it again
  scope* home = nullptr;                ///< what it sees
};

} // namespace mayfly::gpu::jinja
