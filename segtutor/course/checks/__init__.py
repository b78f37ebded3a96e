"""Self-checks of the exercises, one file per chapter.

    from segtutor.course import checks
    checks.ex_2_1(my_attention)

A check says "right", or in one sentence what is probably wrong. It never prints a solution.
"""

from segtutor.course.checks.ch00 import ex_0_1, ex_0_2, ex_0_3
from segtutor.course.checks.ch01 import ex_1_1, ex_1_2, ex_1_3
from segtutor.course.checks.ch02 import ex_2_1, ex_2_2, ex_2_3, ex_2_4
from segtutor.course.checks.ch03 import ex_3_1, ex_3_2, ex_3_3, ex_3_4
from segtutor.course.checks.ch04 import ex_4_1, ex_4_2, ex_4_3, ex_4_4
from segtutor.course.checks.ch05 import ex_5_1, ex_5_2, ex_5_3, ex_5_4
from segtutor.course.checks.ch06 import ex_6_1, ex_6_2, ex_6_3
from segtutor.course.checks.ch07 import ex_7_1, ex_7_2, ex_7_3
from segtutor.course.checks.ch08 import ex_8_1, ex_8_2, ex_8_3
from segtutor.course.checks.ch09 import ex_9_1, ex_9_2, ex_9_3, ex_9_4
from segtutor.course.checks.ch10 import ex_10_1, ex_10_2, ex_10_3
from segtutor.course.checks.ch12 import ex_12_1, ex_12_2, ex_12_3

__all__ = [
    "ex_0_1",
    "ex_0_2",
    "ex_0_3",
    "ex_1_1",
    "ex_1_2",
    "ex_1_3",
    "ex_2_1",
    "ex_2_2",
    "ex_2_3",
    "ex_2_4",
    "ex_3_1",
    "ex_3_2",
    "ex_3_3",
    "ex_3_4",
    "ex_4_1",
    "ex_4_2",
    "ex_4_3",
    "ex_4_4",
    "ex_5_1",
    "ex_5_2",
    "ex_5_3",
    "ex_5_4",
    "ex_6_1",
    "ex_6_2",
    "ex_6_3",
    "ex_7_1",
    "ex_7_2",
    "ex_7_3",
    "ex_8_1",
    "ex_8_2",
    "ex_8_3",
    "ex_10_1",
    "ex_10_2",
    "ex_10_3",
    "ex_9_1",
    "ex_9_2",
    "ex_9_3",
    "ex_9_4",
    "ex_12_1",
    "ex_12_2",
    "ex_12_3",
]
