// Whether this program was built with AddressSanitizer: g++ and clang tell it in different ways.
#ifndef ECF8_TESTS_SUPPORT_SANITIZER_H_
#define ECF8_TESTS_SUPPORT_SANITIZER_H_

#if defined(__SANITIZE_ADDRESS__)
#define ECF8_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ECF8_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef ECF8_ADDRESS_SANITIZER
#define ECF8_ADDRESS_SANITIZER 0
#endif

namespace ecf8::testing {

inline constexpr bool kAddressSanitizer = ECF8_ADDRESS_SANITIZER != 0;

}  // namespace ecf8::testing

#endif  // ECF8_TESTS_SUPPORT_SANITIZER_H_
