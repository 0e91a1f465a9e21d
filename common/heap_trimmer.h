#pragma once

#include <cstddef>
#include <optional>

namespace sluice {

/// Memory of this process, in bytes.
struct HeapUse {
  size_t resident = 0;  ///< of the whole process
  size_t used = 0;      ///< of it, what the program has allocated
  /// Resident and not allocated: the program itself, and what the heap keeps of what was freed.
  size_t Idle() const { return resident > used ? resident - used : 0; }
};

/// Decides when a process gives memory that it no longer uses back to the system. The allocator of
/// glibc keeps nearly all that is freed below the top of its heap: a server would stay as large as
/// its worst minute.
///
/// Looked at now and then by the main program, for whom giving back takes some milliseconds; so
/// that happens when there is something to gain, and after the storm, not during it.
class HeapTrimmer {
 public:
  /// What is worth it: so much idle memory, as a part of all, more than could not be given back the
  /// last time.
  static constexpr size_t kMinGain = size_t{2} << 20;  // bytes
  static constexpr size_t kMinPart = 16;               // a sixteenth of what is resident

  /// To be asked first while the program is still empty: what is idle then is the program itself.
  /// True when now is the time: there is much to gain, and `used` has not fallen since the last
  /// look, so that who is still leaving goes first.
  bool ShouldTrim(HeapUse now);
  /// What was left after giving back.
  void OnTrimmed(HeapUse after) { kept_ = after.Idle(); }

  /// Looks at this process and gives back what is due.
  void Look();

 private:
  std::optional<size_t> used_;  ///< at the last look
  std::optional<size_t> kept_;  ///< idle bytes that cannot be given back
};

/// What the process uses now; nullopt where the system does not tell. Costs as much as there are
/// free pieces of memory: well below a millisecond, some milliseconds after a storm.
std::optional<HeapUse> ReadHeapUse();
/// Gives all free pages back.
void TrimHeap();
/// To be called at the start of a program: large blocks always go back at once when they are freed.
void ConfigureHeap();

}  // namespace sluice
