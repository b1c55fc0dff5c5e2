# javac and the virtual machine: interpreter and compilers, threads, exceptions, null checks by SIGSEGV.
cat > A.java <<'J'
import java.util.*; import java.util.concurrent.*; import java.util.stream.*;
public class A {
  interface Shape { double area(); } record Sq(double s) implements Shape { public double area() { return s * s; } }
  static int nul(String s) { try { return s.length(); } catch (NullPointerException e) { return -1; } }
  static int deep(int n) { return 1 + deep(n + 1); }
  public static void main(String[] a) throws Exception {
    int h = 0; for (int i = 0; i < 5_000_000; i++) h = h * 31 + (i ^ (i >>> 3)); System.out.println(h);
    int n = 0; for (int i = 0; i < 200_000; i++) n += nul(i % 1000 == 0 ? null : "abc"); System.out.println(n);
    double d = 0; for (int i = 1; i < 100_000; i++) d += Math.sin(i) / i; System.out.printf(Locale.ROOT, "%.9f %s %s%n", d, 1.0 / 3, Double.doubleToLongBits(Math.fma(0.1, 0.2, 0.3)));
    System.out.println(IntStream.rangeClosed(1, 20000).parallel().filter(x -> x % 7 == 0).asLongStream().sum() + " " + new Sq(3).area());
    try { deep(0); } catch (StackOverflowError e) { System.out.println("stack overflow"); }
    ExecutorService p = Executors.newFixedThreadPool(6); List<Future<Integer>> f = new ArrayList<>(); for (int i = 0; i < 20; i++) { int k = i; f.add(p.submit(() -> k * k)); } int s = 0; for (var x : f) s += x.get(); p.shutdown(); System.out.println(s);
    for (int i = 0; i < 50; i++) { byte[][] g = new byte[100][]; for (int j = 0; j < 100; j++) g[j] = new byte[20000]; } System.gc();
    System.out.println(Stream.of("b", "a", "c").sorted().collect(Collectors.joining(",")) + " " + new ProcessBuilder("sh", "-c", "exit 3").start().waitFor());
    try { Object o = "x"; Integer i = (Integer) o; } catch (ClassCastException e) { System.out.println("cast"); } System.exit(new int[] {7}[0]);
  }
}
J
javac A.java && java A; echo $?; java -Xint A | md5sum; echo 'class B { int x = "s"; }' > B.java; javac B.java; echo $?; java -cp . Missing 2>/dev/null; echo $?
