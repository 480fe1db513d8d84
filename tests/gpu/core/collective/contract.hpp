#pragma once
// What every carrier owes its group (gpu/collective/collective.hpp), each promise a function that says
// whether it was kept: carriers must keep all, and one that breaks a promise must be found out.
#include "groups.hpp"

#include <cmath>
#include <mutex>
#include <random>

namespace mayfly::gpu::testing {

/// What a rank brings: some numbers whose sum depends on the order of adding.
inline std::vector<float> share_of(std::uint32_t rank, std::size_t count, std::size_t round) {
  std::mt19937 dice(static_cast<std::mt19937::result_type>(rank * 7919 + round));
  std::uniform_real_distribution<float> any(-1.0F, 1.0F);
  std::vector<float> made(count);
  for (auto& each : made) each = std::ldexp(any(dice), static_cast<int>(dice() % 20));
  return made;
}

inline std::vector<float> sum_of_shares(std::uint32_t ranks, std::size_t count, std::size_t round) {
  auto sum = share_of(0, count, round);
  for (std::uint32_t rank = 1; rank < ranks; ++rank) {
    auto const more = share_of(rank, count, round);
    for (std::size_t index = 0; index < count; ++index) sum[index] += more[index];
  }
  return sum;
}

/// Waits until what is enqueued is done, or failed.
inline collective_state settled(collective& own) {
  for (;;) {
    auto const state = own.poll();
    if (state != collective_state::in_progress) return state;
    std::this_thread::yield();
  }
}

/// True if `work` was true on every rank.
inline bool on_all(group const& ranks, std::function<bool(collective&)> const& work) {
  std::mutex mutex;
  std::size_t right = 0;
  on_each(ranks, [&](collective& own) {
    bool const good = work(own) && settled(own) == collective_state::ok;
    std::lock_guard const lock(mutex);
    right += good ? 1U : 0U;
  });
  return right == ranks.size();
}

/// The sum in the order of ranks, bit for bit, on every rank: of one number, of a part of a buffer, of many
/// buffers, again and again.
inline bool sums_in_order(carrier const& by, std::uint32_t ranks) {
  auto const formed = by.form(ranks, patient);
  for (std::size_t round = 0; round < 30; ++round) {
    std::size_t const count = round < 27 ? 1 + round * 17 : 9'000 * (round - 25) * (round - 25);
    auto const expected = sum_of_shares(ranks, count, round);
    bool const right = on_all(formed, [&](collective& own) {
      auto data = share_of(own.rank(), count, round);
      own.all_reduce(data.data(), count);
      if (round % 5 == 0) own.scrub();
      return settled(own) == collective_state::ok && data == expected;
    });
    if (!right) return false;
  }
  return true;
}

/// Columns side by side at rank 0, however wide each rank's are; nothing is written elsewhere.
inline bool gathers_columns(carrier const& by, std::vector<std::size_t> const& widths, std::size_t rows) {
  std::size_t whole = 0;
  for (auto const width : widths) whole += width;
  auto const formed = by.form(static_cast<std::uint32_t>(widths.size()), patient);
  return on_all(formed, [&](collective& own) {
    std::size_t left = 0;
    for (std::uint32_t rank = 0; rank < own.rank(); ++rank) left += widths[rank];
    auto const width = widths[own.rank()];
    std::vector<float> mine(rows * width);
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t column = 0; column < width; ++column)
        mine[row * width + column] = static_cast<float>(row * whole + left + column);
    std::vector<float> out(rows * whole + 1, -1.0F);
    own.gather_columns(mine.data(), rows, widths, own.rank() == 0 ? out.data() : nullptr);
    bool good = settled(own) == collective_state::ok && out.back() == -1.0F;
    for (std::size_t index = 0; own.rank() == 0 && index + 1 < out.size(); ++index)
      good = good && out[index] == static_cast<float>(index);
    return good;
  });
}

/// Failed, by the loss of that rank, if the carrier can tell.
inline bool names(collective& own, std::int64_t lost, knowledge known = knowledge::which_rank) {
  if (settled(own) != collective_state::failed || own.failure()) return false;
  auto const [code, what, number] = own.failure().failure();
  bool const unknown = known == knowledge::that_one && number == -1 && lost != own.rank();
  return code == errc::worker_lost && (number == lost || unknown);
}

/// An aborted group fails on all ranks, at once, names who aborted, and stays failed.
inline bool aborts_everywhere(carrier const& by) {
  auto const formed = by.form(3, patient);
  auto const began = std::chrono::steady_clock::now();
  bool right = true;
  std::jthread const breaker([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    formed[2]->abort();
  });
  for (std::uint32_t rank = 0; rank < 2; ++rank) {
    float number = 1;
    formed[rank]->all_reduce(&number, 1); // rank 2 never comes
    right = right && names(*formed[rank], 2, by.known);
    formed[rank]->all_reduce(&number, 1);
    formed[rank]->scrub();
  }
  formed[0]->abort();
  return right && names(*formed[0], 2, by.known) && names(*formed[1], 2, by.known) &&
         names(*formed[2], 2, by.known) && std::chrono::steady_clock::now() - began < patient / 2;
}

/// A rank that computes, outside of any operation, sees by polling that another aborted.
inline bool shows_abort_to_who_polls(carrier const& by) {
  auto const formed = by.form(3, patient);
  if (formed[0]->poll() != collective_state::ok) return false;
  formed[1]->abort();
  auto const until = std::chrono::steady_clock::now() + patient / 2;
  for (auto const& own : formed)
    while (own->poll() != collective_state::failed)
      if (std::chrono::steady_clock::now() > until) return false;
  return names(*formed[0], 1, by.known) && names(*formed[2], 1, by.known);
}

/// A rank that does not come is found out by the deadline.
inline bool finds_absent_rank(carrier const& by) {
  auto const formed = by.form(2, std::chrono::milliseconds(100));
  float number = 1;
  formed[0]->all_reduce(&number, 1);
  return names(*formed[0], 1, by.known);
}

/// All of the above.
inline bool keeps_contract(carrier const& by) {
  return sums_in_order(by, 3) && gathers_columns(by, {64, 65, 63}, 7) && aborts_everywhere(by) &&
         shows_abort_to_who_polls(by) && finds_absent_rank(by);
}

} // namespace mayfly::gpu::testing
