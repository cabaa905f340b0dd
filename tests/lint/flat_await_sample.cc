// What the flat-await check must find (lines marked "bad", and only these). It is read by scripts/lint-code, never
// built.
#include <coroutine>
#include <string>
#include <utility>

namespace {

struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_value(int) {}
    void unhandled_exception() {}
  };
  bool await_ready() { return true; }
  void await_suspend(std::coroutine_handle<>) {}
  int await_resume() { return 0; }
};

struct Range {
  int first;
  int last;
};

struct Member {
  std::string name;
};

Task one(int) {
  co_return 1;
}
Task text(std::string) {
  co_return 1;
}
Task with_default(int, Range = Range{1, 2}) {
  co_return 1;
}
Task of_range(Range) {
  co_return 1;
}
template <class F>
Task call(F) {
  co_return 1;
}

Task good(int n, Member member) {
  co_await one(n);
  int x = co_await one(x + 1);
  x = co_await text(std::move(member.name));
  co_await text("literal");
  co_await text(std::string("constructed"));
  const Range range{1, 2};
  x = co_await of_range(range);
  auto no_capture = [](int m) -> Task { co_return co_await one(m); };
  x = co_await no_capture(x);
  if (x > 0) co_return co_await one(x);
  while (x < 3 && n != 0) x = co_await one(x);
  co_return x;
}

Task bad_inside(int n) {
  co_await call([n] { return n; });  // bad
  co_await of_range({1, 2});         // bad
  co_await of_range(Range{n, 2});    // bad
  co_await with_default(n);          // bad
  int x = n ? co_await one(n) : 0;   // bad
  bool b = n && co_await one(n);     // bad
  auto lambda = [n]() -> Task {      // bad
    co_return co_await one(n);
  };
  x = co_await lambda();
  co_return x + b;
}

Task bad_conditions(int n) {
  if (co_await one(n)) n = 1;                // bad
  if (const int x = co_await one(n)) n = x;  // bad
  while (co_await one(n)) --n;               // bad
  do --n;                                    // bad
  while (co_await one(n));
  for (int i = 0; i < co_await one(n); ++i) --n;  // bad
  switch (co_await one(n)) {                      // bad
    default:
      break;
  }
  co_return n;
}

}  // namespace

int main() {
  good(1, Member{"name"});
  bad_inside(1);
  bad_conditions(1);
}
