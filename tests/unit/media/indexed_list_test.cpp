#include "worker/media/indexed_list.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sluice::worker {
namespace {

struct Item {
  explicit Item(int n) : number(n) {}
  int number;
  ListSlot slot;
  ListSlot other_slot;
};
using List = IndexedList<Item*, &Item::slot>;
using OtherList = IndexedList<Item*, &Item::other_slot>;
using OwningList = IndexedList<std::unique_ptr<Item>, &Item::slot>;

std::vector<int> NumbersOf(const List& list) {
  std::vector<int> numbers;
  for (const Item* item : list) numbers.push_back(item->number);
  return numbers;
}

TEST_CASE("an indexed list keeps the order of addition", "[indexed_list]") {
  std::vector<Item> items;
  for (int i = 0; i < 4; ++i) items.emplace_back(i);
  List list;
  for (Item& item : items) list.Add(&item);
  CHECK(NumbersOf(list) == std::vector<int>{0, 1, 2, 3});
  CHECK(list.size() == 4);
  CHECK(list[2] == &items[2]);

  CHECK(list.Take(items[1]) == &items[1]);
  CHECK(NumbersOf(list) == std::vector<int>{0, 3, 2});  // the last takes the place
  CHECK(list.Take(items[1]) == nullptr);
  CHECK(list.Take(items[2]) == &items[2]);
  CHECK(list.Take(items[3]) == &items[3]);
  CHECK(NumbersOf(list) == std::vector<int>{0});
  list.Add(&items[1]);
  CHECK(NumbersOf(list) == std::vector<int>{0, 1});
}

TEST_CASE("a list knows its own elements only", "[indexed_list]") {
  Item a(1);
  Item b(2);
  Item c(3);
  List list;
  List same_kind;
  OtherList other;
  list.Add(&a);
  same_kind.Add(&b);
  other.Add(&a);
  CHECK(list.Has(a));
  CHECK_FALSE(list.Has(b));  // its index is one that this list has, too
  CHECK_FALSE(list.Has(c));
  CHECK(list.Take(b) == nullptr);
  CHECK(same_kind.Has(b));
  CHECK(list.Take(a) == &a);
  CHECK(other.Has(a));  // slots do not mix
}

TEST_CASE("all elements can be taken at once, and be added again", "[indexed_list]") {
  OwningList list;
  for (int i = 0; i < 3; ++i) list.Add(std::make_unique<Item>(i));
  std::vector<std::unique_ptr<Item>> all = list.TakeAll();
  REQUIRE(all.size() == 3);
  CHECK(list.empty());
  CHECK_FALSE(list.Has(*all[0]));
  list.Add(std::move(all[2]));
  CHECK(list.size() == 1);
  CHECK(list.all().front()->number == 2);
}

TEST_CASE("taking one out touches two elements at most, however many there are", "[indexed_list]") {
  for (const size_t count : {10U, 1000U}) {
    std::vector<std::unique_ptr<Item>> items;
    List list;
    for (size_t i = 0; i < count; ++i) {
      items.push_back(std::make_unique<Item>(static_cast<int>(i)));
      list.Add(items.back().get());
    }
    for (const auto& item : items) {
      const uint64_t before = List::touched();
      list.Take(*item);
      CHECK(List::touched() - before <= 2);
    }
    CHECK(list.empty());
  }
}

}  // namespace
}  // namespace sluice::worker
