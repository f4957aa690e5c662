# One static library a folder, one test program a test file: adding a file needs no edit here.

add_library(trawl_warnings INTERFACE)
target_compile_options(trawl_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wundef -Wvla -Wformat=2 -Wcast-qual -Wpointer-arith -Wwrite-strings
  -Wredundant-decls -Wimplicit-fallthrough -Wdouble-promotion -Wnull-dereference -Wconversion
  -Wno-sign-conversion -Wswitch-enum
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes;-Wold-style-definition>
  $<$<COMPILE_LANG_AND_ID:C,GNU>:-Wlogical-op;-Wduplicated-cond;-Wduplicated-branches;-Walloc-zero;-Wshift-overflow=2;-Wformat-truncation=1>
  $<$<AND:$<COMPILE_LANGUAGE:C>,$<C_COMPILER_ID:GNU>>:-Wjump-misses-init;-Wtrampolines>
  $<$<COMPILE_LANG_AND_ID:C,Clang>:-Wthread-safety;-Wcomma;-Wextra-semi;-Wno-missing-field-initializers>
  $<$<BOOL:${TRAWL_WERROR}>:-Werror>)
# Wnull-dereference knows nothing of our assertions under LTO and the sanitizers; the analyzer run keeps it.
target_compile_options(trawl_warnings INTERFACE $<$<NOT:$<CONFIG:Release>>:-Wno-null-dereference>)

# trawl_library(folder [folders and external names it may use …])
function(trawl_library folder)
  file(GLOB sources CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/src/${folder}/*.c ${PROJECT_SOURCE_DIR}/src/${folder}/*.cc)
  if(folder STREQUAL "dissect")
    file(GLOB protos CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/dissect/proto/*.c)
    list(APPEND sources ${protos})
  endif()
  if(NOT sources)
    set(empty ${PROJECT_BINARY_DIR}/empty_${folder}.c)
    file(WRITE ${empty} "extern int trawl_${folder}_is_empty;\nint trawl_${folder}_is_empty = 1;\n")
    set(sources ${empty})
  endif()
  add_library(trawl_${folder} STATIC ${sources})
  target_include_directories(trawl_${folder} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_compile_definitions(trawl_${folder} PUBLIC _GNU_SOURCE TRAWL_VERSION="${PROJECT_VERSION}"
    $<$<BOOL:${TRAWL_FAULTS}>:TRAWL_FAULTS=1>)
  target_link_libraries(trawl_${folder} PRIVATE trawl_warnings)
  foreach(dep IN LISTS ARGN)
    if(TARGET trawl_${dep})
      target_link_libraries(trawl_${folder} PUBLIC trawl_${dep})
    else()
      target_link_libraries(trawl_${folder} PUBLIC trawl_ext_${dep})
    endif()
  endforeach()
endfunction()

# Every tests/unit/<folder>/test_*.c is a program of its own (its own process, its own timeout).
function(trawl_unit_tests folder)
  file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/unit/${folder}/test_*.c)
  file(GLOB shared_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/unit/${folder}/support_*.c)
  foreach(source IN LISTS tests)
    get_filename_component(name ${source} NAME_WE)
    string(REPLACE "test_" "" name ${name})
    set(target unit_${folder}_${name})
    add_executable(${target} ${source} ${shared_sources})
    target_link_libraries(${target} PRIVATE trawl_${folder} trawl_ext_CMOCKA trawl_warnings)
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -Wno-write-strings)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
    target_compile_definitions(${target} PRIVATE
      TRAWL_SHARED_DIR="${PROJECT_SOURCE_DIR}/../shared" TRAWL_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    add_test(NAME unit/${folder}/${name} COMMAND ${target} WORKING_DIRECTORY ${PROJECT_BINARY_DIR})
    set_tests_properties(unit/${folder}/${name} PROPERTIES LABELS unit TIMEOUT 120 SKIP_RETURN_CODE 77)
  endforeach()
endfunction()

# tests/fuzz/fuzz_<name>.c: with TRAWL_FUZZ a libFuzzer target, without it a replayer of seeds and past crashes.
# `fuzzers` builds all of them and nothing else.
function(trawl_fuzz_targets)
  add_custom_target(fuzzers)
  # Allocations of our own code go through the injector (tests/fuzz/alloc_faults.h).
  add_library(trawl_alloc_faults OBJECT ${PROJECT_SOURCE_DIR}/tests/fuzz/alloc_faults.c)
  target_include_directories(trawl_alloc_faults PUBLIC ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(trawl_alloc_faults PRIVATE trawl_dissect trawl_warnings)
  foreach(name malloc calloc realloc reallocarray aligned_alloc strdup strndup)
    target_link_options(trawl_alloc_faults INTERFACE -Wl,--wrap=${name})
  endforeach()
  file(GLOB targets CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
  foreach(source IN LISTS targets)
    get_filename_component(target ${source} NAME_WE)
    if(TRAWL_FUZZ)
      add_executable(${target} ${source})
      target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
      target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    else()
      add_executable(${target} ${source} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.c)
    endif()
    target_link_libraries(${target} PRIVATE trawl_alloc_faults trawl_cli trawl_warnings)
    add_dependencies(fuzzers ${target})
  endforeach()
endfunction()
