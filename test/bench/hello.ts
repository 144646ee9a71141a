// The smallest program there is: what an executable costs before it does anything. Start-up is measured against it.
console.log("hello");
