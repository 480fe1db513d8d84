// Functions that every template may call, and what a loop knows of itself.
#include "gpu/text/jinja/tables.hpp"
#include "gpu/text/jinja/text_operations.hpp"

#include <array>
#include <ctime>

namespace mayfly::gpu::jinja {
namespace {

constexpr std::int64_t longest_range = 100'000; // jinja2's sandbox has the same bound

value range(interpreter& with, value, arguments const& given) {
  auto const one = given.positional.size() < 2;
  auto const begin = one ? 0 : given.integer(0, "start", 0);
  auto const end = given.integer(one ? 0 : 1, "stop", 0);
  auto const step = given.integer(2, "step", 1);
  if (step == 0) with.refuse("a chat template counts by zero");
  auto& made = with.make_list();
  for (auto at = begin; step > 0 ? at < end : at > end;) {
    if (static_cast<std::int64_t>(made.values.size()) >= longest_range)
      with.refuse("a chat template counts too far");
    with.charge_bytes(8);
    made.values.push_back(value(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return value(&made);
}

value make_mapping(interpreter& with, arguments const& given, kind as) {
  auto* made = with.memory().make<mapping>(with.memory());
  for (auto const& first : given.positional) {
    if (!first.is(kind::mapping)) with.refuse("a chat template makes a mapping of what is none");
    for (auto const& [key, held] : first.entries->entries) made->set(key, held);
  }
  for (auto const& [name, held] : given.named) made->set(with.make(own_text(name)), held);
  return value(made, as);
}

value name_space(interpreter& with, value, arguments const& given) {
  return make_mapping(with, given, kind::name_space);
}
value dict(interpreter& with, value, arguments const& given) {
  return make_mapping(with, given, kind::mapping);
}

/// The template's own words for what it refuses may hold content: they go nowhere.
value raise_exception(interpreter& with, value, arguments const&) {
  with.refuse("the chat template refuses this conversation");
}

value strftime_now(interpreter& with, value, arguments const& given) {
  auto const* format = text_argument(with, given, 0, "format");
  if (format == nullptr) with.refuse("a chat template asks for the time in no format");
  auto const seconds = static_cast<std::time_t>(with.unix_seconds());
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 256> written;
  auto& closed = with.build(); // strftime wants an end
  closed.append(*format);
  closed.append_own({"\0", 1});
  auto const size = std::strftime(written.data(), written.size(), closed.result().data, &parts);
  auto& out = with.build();
  out.append({written.data(), size}, format->overall());
  return with.make(out);
}

value loop_cycle(interpreter& with, value self, arguments const& given) {
  if (given.positional.empty()) with.refuse("a chat template cycles through nothing");
  return given.positional[self.loop->at % given.positional.size()];
}

value loop_changed(interpreter& with, value self, arguments const& given) {
  auto& now = with.make_list(true);
  now.values = given.positional;
  auto const changed = !equal(value(&now), self.loop->changed_from);
  self.loop->changed_from = value(&now);
  return value(changed);
}

constexpr std::pair<std::string_view, native_function> functions[] = {{"range", range},
                                                                      {"namespace", name_space},
                                                                      {"dict", dict},
                                                                      {"raise_exception", raise_exception},
                                                                      {"strftime_now", strftime_now}};

value method_of(interpreter& with, native_function native, value self) {
  return value(with.memory().make<callable const>(callable{nullptr, nullptr, native, self}));
}

} // namespace

native_function find_function(std::string_view name) noexcept { return find_named(functions, name); }

value loop_attribute(interpreter& with, value loop, std::string_view name) {
  auto const& state = *loop.loop;
  auto const& items = state.items->values;
  auto const at = static_cast<std::int64_t>(state.at);
  auto const size = static_cast<std::int64_t>(items.size());
  if (name == "index") return value(at + 1);
  if (name == "index0") return value(at);
  if (name == "revindex") return value(size - at);
  if (name == "revindex0") return value(size - at - 1);
  if (name == "first") return value(at == 0);
  if (name == "last") return value(at + 1 == size);
  if (name == "length") return value(size);
  if (name == "depth") return value(state.depth);
  if (name == "depth0") return value(state.depth - 1);
  if (name == "previtem") return at > 0 ? items[state.at - 1] : value();
  if (name == "nextitem") return at + 1 < size ? items[state.at + 1] : value();
  if (name == "cycle") return method_of(with, loop_cycle, loop);
  if (name == "changed") return method_of(with, loop_changed, loop);
  return {};
}

} // namespace mayfly::gpu::jinja
