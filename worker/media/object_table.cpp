#include "worker/media/object_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::worker {

const char* ObjectTable::ClassName(size_t index) {
  static constexpr std::array<const char*, std::variant_size_v<Object>> kNames = {
      "a router",        "a WebRtcServer",    "a WebRtcTransport", "a PlainTransport",
      "a PipeTransport", "a DirectTransport", "a producer",        "a consumer",
      "a data producer", "a data consumer",   "an RTP observer"};
  return kNames[index];
}

Status ObjectTable::CheckFree(const std::string& id) const {
  if (id.size() > kMaxIdLength) {
    return TypeError(fmt::format("id '{}…' is {} bytes long; an id has at most {}",
                                 id.substr(0, 16), id.size(), kMaxIdLength));
  }
  const Object* object = Find(id);
  if (object == nullptr) return absl::OkStatus();
  return Error(fmt::format("id '{}' is already in use by {}; ids are unique in a worker", id,
                           ClassName(object->index())));
}

void ObjectTable::Register(const std::string& id, const Object& object, const bool* closed) {
  entries_[id] = Entry{object, next_serial_++, closed};
}

void ObjectTable::Unregister(const std::string& id, const bool* closed) {
  const auto it = entries_.find(id);
  if (it == entries_.end() || it->second.closed != closed) return;
  entries_.erase(it);
  // After a room of 300 with its 180,000 consumers the table would keep 20 MB for nothing.
  const size_t capacity = entries_.capacity();
  if (capacity > kMinShrink && entries_.size() < capacity / kShrinkBelow) entries_.rehash(0);
}

Status ObjectTable::WrongId(const std::string& id, const char* wanted) const {
  const Object* object = Find(id);
  if (object == nullptr) return NotFoundError(fmt::format("there is no object with id '{}'", id));
  return Error(fmt::format("'{}' is {}, not {}", id, ClassName(object->index()), wanted));
}

std::vector<ObjectTable::Listed> ObjectTable::List() const {
  std::vector<std::pair<uint64_t, Listed>> sorted;
  sorted.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) {
    if (entry.gone()) continue;
    sorted.emplace_back(entry.serial, Listed{id, entry.object});
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Listed> list;
  list.reserve(sorted.size());
  for (auto& [serial, listed] : sorted) list.push_back(std::move(listed));
  return list;
}

}  // namespace sluice::worker
