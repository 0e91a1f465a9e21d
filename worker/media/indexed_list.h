#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace sluice::worker {

/// Where an element stands in an IndexedList: a member of the element, one per list that it can be
/// in at a time. Only the list changes it.
struct ListSlot {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t index = kNone;
};

/// Pointers to elements that know their place, so that taking one out costs the same however many
/// there are: the last one moves to its place. In the order of addition until one is taken out.
///
/// `Pointer`: T* or std::unique_ptr<T>. `kSlot`: the ListSlot of T that belongs to this list.
template <typename Pointer, auto kSlot>
class IndexedList {
 public:
  using Element = typename std::pointer_traits<Pointer>::element_type;

  /// The element must not be in a list with the same slot.
  void Add(Pointer pointer) {
    Place(*pointer, pointers_.size());
    pointers_.push_back(std::move(pointer));
  }

  bool Has(const Element& element) const {
    const uint32_t index = (element.*kSlot).index;
    return index < pointers_.size() && &*pointers_[index] == &element;
  }

  /// Takes the element out; null when it is not in the list.
  Pointer Take(Element& element) {
    if (!Has(element)) return nullptr;
    const uint32_t index = (element.*kSlot).index;
    Place(element, ListSlot::kNone);
    Pointer taken = std::move(pointers_[index]);
    if (index + 1 < pointers_.size()) {
      pointers_[index] = std::move(pointers_.back());
      Place(*pointers_[index], index);
    }
    pointers_.pop_back();
    return taken;
  }

  /// All of them, in order; the list is empty afterwards.
  std::vector<Pointer> TakeAll() {
    for (const Pointer& pointer : pointers_) Place(*pointer, ListSlot::kNone);
    return std::exchange(pointers_, {});
  }

  bool empty() const { return pointers_.empty(); }
  size_t size() const { return pointers_.size(); }
  const Pointer& operator[](size_t index) const { return pointers_[index]; }
  auto begin() const { return pointers_.begin(); }
  auto end() const { return pointers_.end(); }
  const std::vector<Pointer>& all() const { return pointers_; }

  /// Elements that were touched to add and take out others, over all lists of this type: the work
  /// done, which a test can count.
  static uint64_t touched() { return touched_; }

 private:
  static void Place(Element& element, size_t index) {
    (element.*kSlot).index = static_cast<uint32_t>(index);
    ++touched_;
  }

  static inline uint64_t touched_ = 0;
  std::vector<Pointer> pointers_;
};

}  // namespace sluice::worker
