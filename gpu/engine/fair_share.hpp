#pragma once
#include <cstdint>
#include <map>

namespace mayfly::gpu {

/// How much each account was served, in tokens computed for the first time (Sheng et al., Fairness in Serving
/// Large Language Models, 2024: virtual token counters). The account served least goes first. One that comes,
/// or comes back, starts level with the least served one present, so that absence saves nothing up.
class fair_share {
public:
  /// A sequence of the account came, or went.
  void enter(std::uint64_t account);
  void leave(std::uint64_t account);

  void charge(std::uint64_t account, std::uint64_t tokens);
  std::uint64_t served(std::uint64_t account) const;

private:
  struct share {
    std::uint64_t sequences = 0;
    std::uint64_t served = 0;
  };
  std::map<std::uint64_t, share> shares_; ///< of accounts that have sequences
};

} // namespace mayfly::gpu
