// SPDX-License-Identifier: MIT
// Starts, is interpreted, becomes hot: integers, doubles, a map and short-lived objects.
import java.util.HashMap;

public class Compute {
  public static void main(String[] arguments) {
    int hash = 0;
    for (int i = 0; i < 100_000_000; i++) hash = hash * 31 + (i ^ (i >>> 3));
    double sum = 0;
    for (int i = 1; i < 20_000_000; i++) sum += Math.sqrt(i) / i;
    HashMap<Integer, Integer> map = new HashMap<>();
    for (int i = 0; i < 2_000_000; i++) map.merge(i % 10_007, i, Integer::sum);
    long total = 0;
    for (int v : map.values()) total += v;
    System.out.println(hash + " " + sum + " " + total);
  }
}
