#include "gpu/text/jinja/text.hpp"

#include <algorithm>

namespace mayfly::gpu::jinja {

origin text::overall() const noexcept {
  if (origins == nullptr) return uniform;
  return std::find(origins, origins + size, origin::content) == origins + size ? origin::own
                                                                               : origin::content;
}

void text_builder::append(text part) {
  if (part.empty()) return;
  if (bytes_.empty()) {
    uniform_ = part.uniform;
    origins_.clear();
  }
  auto const differs = part.origins != nullptr || part.uniform != uniform_;
  if (differs && origins_.empty()) remember_each();
  bytes_.insert(bytes_.end(), part.data, part.data + part.size);
  if (part.origins != nullptr)
    origins_.insert(origins_.end(), part.origins, part.origins + part.size);
  else if (!origins_.empty() || differs)
    origins_.insert(origins_.end(), part.size, part.uniform);
}

void text_builder::remember_each() { origins_.assign(bytes_.size(), uniform_); }

text text_builder::result() const noexcept {
  return {bytes_.data() == nullptr ? "" : bytes_.data(), bytes_.size(),
          origins_.empty() ? nullptr : origins_.data(), uniform_};
}

} // namespace mayfly::gpu::jinja
