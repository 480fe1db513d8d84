#pragma once
// Decides what a step computes: policy only, no tensors.
#include "gpu/engine/block_pool.hpp"
#include "gpu/engine/fair_share.hpp"
#include "gpu/engine/sequence.hpp"

#include <span>
#include <vector>

namespace mayfly::gpu {

struct batch_limits {
  std::uint32_t sequences = 0;                      ///< that advance in one step; at most `tokens`
  std::uint32_t tokens = 0;                         ///< of one step
  std::uint32_t prefill_beside_decode = UINT32_MAX; ///< prefill's tokens of a step in which others decode
};

/// One sequence's share of a step: its next `tokens` pending tokens. It samples if none is left pending.
struct planned {
  sequence* subject = nullptr;
  std::uint32_t tokens = 0;
  bool samples() const noexcept { return tokens == subject->pending(); }
};

/// Forms steps, in this order:
///  1. waiting sequences start while all their tokens find blocks: highest priority first, then the account
///     served least, then the oldest. The first that does not fit holds back those behind it, so that long
///     prompts do not starve. It may displace sequences that wait for credit, and those of lower priority. A
///     block for each that runs stays free, so that starting one does not preempt another;
///  2. where more sequences run than may advance, seats go by priority, then to decode before prefill,
///     then to the account served least, then to the one that advanced least recently;
///  3. every seated sequence in decode gets its one token. One that needs a block when none is free takes it
///     from another: from one without credit (it cannot use what it holds), else from the youngest of the
///     lowest priority behind itself; if there is none it gives back its own and waits;
///  4. the tokens left over go to prefill in chunks: priority by priority, shared evenly between accounts,
///     within an account to the oldest. Where others decode the chunk has a bound of its own: their next
///     token waits for it (Agrawal et al., "Sarathi-Serve", OSDI 2024).
/// Blocks move only from a sequence without credit, or from one that goes after the taker: the one that goes
/// before all others is never displaced while it can advance, so nothing is ever stuck.
class batcher {
public:
  batcher(block_pool& pool, batch_limits limits) : pool_(pool), limits_(limits) {}

  /// The next step, sequences in decode first; empty if nothing can advance. Blocks for it are taken. Valid
  /// until the next call.
  std::span<planned const> plan(sequence_table& table, std::uint64_t step);

  /// A sequence came; one went.
  void enter(sequence const& subject) { shares_.enter(subject.account); }
  void leave(sequence const& subject) { shares_.leave(subject.account); }

  /// A planned share was computed.
  void advance(planned const& share);

  std::uint64_t preemptions() const noexcept { return preemptions_; }

private:
  using sequences = std::vector<sequence*>;

  void collect(sequence_table& table);
  void admit();
  bool make_room_to_start(sequence const& subject);
  void take_seats();
  void plan_decode();
  void plan_prefill();
  void share_out(std::span<sequence* const> group, std::uint32_t& left);
  void give(sequence& subject, std::uint32_t tokens);
  bool secure_block(sequence& subject);
  sequence* last_running(sequence const* behind, std::int32_t below_priority) const;
  void preempt(sequence& subject);

  block_pool& pool_;
  batch_limits limits_;
  fair_share shares_;
  std::uint64_t preemptions_ = 0;
  std::uint64_t step_ = 0;
  // Of the plan being made; kept to spare allocations.
  sequences running_; ///< those without credit too
  sequences waiting_; ///< with credit
  sequences seated_;
  std::vector<planned> plan_;
};

} // namespace mayfly::gpu
